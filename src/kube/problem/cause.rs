//! Faults of single fields, and how much of a request an answer repeats.

use serde_json::Value;

/// The most characters of a wrong value or word that an answer repeats.
const MOST_SHOWN: usize = 64;
/// The most characters of a name that an answer repeats: as many as a name can have in Kubernetes.
pub(crate) const LONGEST_NAME: usize = 253;

/// One field that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) field: String,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Cause {
    /// A value of the right type that breaks a rule.
    pub(crate) fn invalid(field: &str, shown: &(impl Shown + ?Sized), why: impl std::fmt::Display) -> Self {
        Self {
            field: field.to_owned(),
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {}: {why}", shown.shown()),
        }
    }

    /// A value that breaks a rule, and that the message must not repeat or repeats already in `text`.
    pub(crate) fn invalid_unshown(field: &str, text: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: "FieldValueInvalid", message: text.into() }
    }

    /// A value of another type than `expected`. Names the types and never the value, which may be a secret.
    pub(crate) fn wrong_type(field: &str, found: &Value, expected: &str) -> Self {
        let found = type_name(found);
        Self {
            field: field.to_owned(),
            reason: "FieldValueTypeInvalid",
            message: format!("Invalid value: \"{found}\": {field} in body must be of type {expected}: \"{found}\""),
        }
    }

    /// A required value that is missing.
    pub(crate) fn required(field: &str, why: &str) -> Self {
        Self { field: field.to_owned(), reason: "FieldValueRequired", message: format!("Required value: {why}") }
    }

    /// A value that must be absent, or must not change.
    pub(crate) fn forbidden(field: &str, why: impl std::fmt::Display) -> Self {
        Self { field: field.to_owned(), reason: "FieldValueForbidden", message: format!("Forbidden: {why}") }
    }

    /// More bytes than a field may have.
    pub(crate) fn too_long(field: &str, limit: usize) -> Self {
        Self {
            field: field.to_owned(),
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {limit} bytes"),
        }
    }

    /// More items than a list may have.
    pub(crate) fn too_many(field: &str, found: usize, limit: usize) -> Self {
        Self {
            field: field.to_owned(),
            reason: "FieldValueTooMany",
            message: format!("Too many: {found}: must have at most {limit} items"),
        }
    }

    /// The field and what is wrong with it.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }
}

/// An operation of a JSON patch that cannot be done on an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OperationFault {
    /// The index of the operation, from 0.
    pub(crate) index: usize,
    /// The name of the operation, its path, and what is wrong. Never a value, which may be a secret.
    pub(crate) why: String,
}

/// A key of a map, as messages name it: `data[tls.key]`.
pub(crate) fn keyed(map: &str, key: &str) -> String {
    format!("{map}[{}]", shortened_name(key).escape_debug())
}

/// Values that messages repeat: quoted as Go quotes strings, and cut.
pub(crate) trait Shown {
    fn shown(&self) -> String;
}

impl Shown for str {
    fn shown(&self) -> String {
        let mut shown = shortened(self);
        if shown.len() < self.len() {
            shown.push_str("...");
        }
        format!("{shown:?}")
    }
}

impl Shown for serde_json::Number {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

/// The part of a text from a request that an answer repeats.
pub(crate) fn shortened(text: &str) -> String {
    cut(text, MOST_SHOWN)
}

/// The part of a name from a request that an answer repeats.
pub(crate) fn shortened_name(name: &str) -> String {
    cut(name, LONGEST_NAME)
}

/// The first `most` characters of a text.
pub(crate) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_repeated_only_so_far() {
        assert_eq!("a\"b".shown(), "\"a\\\"b\"");
        assert_eq!("x".repeat(1000).as_str().shown().len(), MOST_SHOWN + "\"...\"".len());
    }
}
