//! Parsing of bodies: JSON without ambiguity.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    budget::{Budget, Exhausted},
    cause::shortened,
    status::Problem,
};

/// Reads a body as one JSON object.
///
/// A name that comes twice in one object is refused whatever `fieldValidation` says: two parsers could disagree about its
/// value. Nesting is limited to serde_json's 128 levels, and the memory that the values take to a small multiple of the body's
/// length.
///
/// # Errors
/// 400, with the position but without the text at it; 413 for too many values.
pub(crate) fn object(bytes: &[u8]) -> Result<Value, Problem> {
    match value(bytes)? {
        object @ Value::Object(_) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Problem::BadRequest("the body must be a JSON object".to_owned()))
        }
    }
}

/// Reads a body as one JSON array, by the same rules.
///
/// # Errors
/// As for an object.
pub(crate) fn array(bytes: &[u8]) -> Result<Vec<Value>, Problem> {
    match value(bytes)? {
        Value::Array(items) => Ok(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Err(Problem::BadRequest("the body must be a JSON array".to_owned()))
        }
    }
}

/// About how many bytes a value has as JSON, and never more than it has. Recursion is safe, as the nesting of bodies and of
/// patched objects is limited.
pub(crate) fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => 2 + text.len(),
        Value::Array(items) => 1 + items.len().max(1) + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => size_of_members(members),
    }
}

/// The same for an object with these members.
pub(crate) fn size_of_members(members: &Map<String, Value>) -> usize {
    1 + members.len().max(1) + members.iter().map(|(name, member)| 3 + name.len() + size(member)).sum::<usize>()
}

/// The depth of nesting: 0 for a value that contains no other one.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(items) => items.iter().map(|item| 1 + depth(item)).max().unwrap_or(0),
        Value::Object(members) => members.values().map(|member| 1 + depth(member)).max().unwrap_or(0),
    }
}

fn value(bytes: &[u8]) -> Result<Value, Problem> {
    let budget = Budget::of_body(bytes.len());
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = Bounded(&budget).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| {
        if budget.is_exhausted() {
            Problem::TooManyValues
        } else {
            Problem::BadRequest(format!("the body is not valid JSON: {error}"))
        }
    })
}

/// A JSON value in which no object has a name twice, and which takes no more memory than its budget.
#[derive(Clone, Copy)]
struct Bounded<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// The error's text is never shown.
fn refused<E: Error>(Exhausted: Exhausted) -> E {
    E::custom("too many values")
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.text(value).map_err(refused)?;
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            self.0.item(array.len()).map_err(refused)?;
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field {:?}", shortened(&name))));
            }
            self.0.member(object.len(), &name).map_err(refused)?;
            object.insert(name, members.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn refusal(text: &str) -> String {
        let Problem::BadRequest(message) = object(text.as_bytes()).unwrap_err() else { panic!("not a bad request") };
        message
    }

    #[test]
    fn a_duplicate_name_is_refused_at_any_depth() {
        assert_eq!(
            refusal(r#"{"spec":{"code":"a","code":"b"}}"#),
            "the body is not valid JSON: duplicate field \"code\" at line 1 column 26"
        );
    }

    #[test]
    fn malformed_json_is_reported_by_its_position_and_not_repeated() {
        let message = refusal("{\"code\": canary}");
        assert_eq!(message, "the body is not valid JSON: expected value at line 1 column 10");
        assert!(refusal("apiVersion: v1\nkind: Secret\n").starts_with("the body is not valid JSON: "));
        assert_eq!(refusal("[]"), "the body must be a JSON object");
        assert!(refusal("").contains("EOF"));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert!(refusal(&deep).contains("recursion limit exceeded"));
    }

    #[test]
    fn what_a_body_becomes_is_bounded_whatever_is_in_it() {
        for unit in ["[],", "{},", "0,", "{\"a\":0},", "[[0]],", "{\"a\":{\"a\":{\"a\":{}}}},", "\"\",", "\"a\","] {
            let body = format!("{{\"a\":[{}0]}}", unit.repeat((1024 * 1024 - 9) / unit.len()));
            assert!(matches!(object(body.as_bytes()), Err(Problem::TooManyValues)), "{unit}");
        }
        let names: String = (0..100_000).map(|number| format!("\"{number:x}\":0,")).collect();
        assert!(matches!(object(format!("{{{names}\"x\":0}}").as_bytes()), Err(Problem::TooManyValues)));
    }

    #[test]
    fn bodies_that_mean_something_are_not_refused() {
        let operation = json!({"op": "replace", "path": "/metadata/labels/a", "value": "x"});
        assert_eq!(array(Value::from(vec![operation; 1000]).to_string().as_bytes()).unwrap().len(), 1000);
        let endpoint = json!({"name": "inter-router", "host": "10.1.1.1", "port": "55671", "group": "skupper-router"});
        let link = json!({"kind": "Link", "spec": {"endpoints": vec![endpoint; 800]}});
        assert_eq!(object(link.to_string().as_bytes()).unwrap(), link);
        let secret: Map<String, Value> = (0..4000).map(|n| (format!("key-{n}"), "dmFsdWU=".into())).collect();
        assert!(object(json!({"data": secret, "tls.crt": "x".repeat(900_000)}).to_string().as_bytes()).is_ok());
        assert!(object(json!({"a": "x".repeat(1_040_000)}).to_string().as_bytes()).is_ok());
    }

    #[test]
    fn a_value_is_as_deep_as_what_is_in_it() {
        for (value, deep) in [(json!(1), 0), (json!({}), 0), (json!([{}]), 1), (json!({"a": [], "b": [[1]]}), 3)] {
            assert_eq!(depth(&value), deep, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = object(&bytes);
        }

        #[test]
        fn what_is_written_is_read(
            members in prop::collection::btree_map(".{0,8}", prop_oneof![
                any::<i64>().prop_map(Value::from), ".{0,8}".prop_map(Value::from), any::<bool>().prop_map(Value::from),
                prop::collection::vec(any::<u8>(), 0..3).prop_map(|v| json!({"a": v, "b": null})),
            ], 0..5)
        ) {
            let value = Value::Object(members.into_iter().collect());
            prop_assert!(size(&value) <= value.to_string().len(), "{}", value);
            prop_assert_eq!(object(value.to_string().as_bytes()).unwrap(), value);
        }
    }
}
