//! Secrets, as in Kubernetes: a type, and a map from keys to bytes. They are stored as they are shown, in base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::stored::{Body, Generation, StoredKind};
use crate::{
    app::App,
    kube::{
        catalog::{schema::Encoding, secret::SECRETS},
        problem::{
            cause::{Cause, keyed},
            faults::{Faults, text},
        },
    },
    link::ResourceName,
    store::{ObjectKind, StoredObject},
};

/// The behaviour of Secrets; they are stored in this form.
pub(crate) static STORED: StoredKind = StoredKind {
    resource: &SECRETS,
    object: ObjectKind::Secret,
    longest_name: ResourceName::MAX_BYTES,
    generation: Generation::Hidden,
    read_spec,
    keep: StoredKind::keep_nothing,
    check_change,
    show,
};

/// The type of a Secret that names none.
const OPAQUE: &str = "Opaque";
/// The type of a Secret with a certificate and its key, and the keys that its data must have.
const TLS: &str = "kubernetes.io/tls";
const TLS_KEYS: [&str; 2] = ["tls.crt", "tls.key"];
/// The most bytes that all values may have, as in Kubernetes.
const LONGEST_DATA: usize = 1024 * 1024;
/// The most bytes of a key, as in Kubernetes.
const LONGEST_KEY: usize = 253;

/// No fault repeats a value, except the type, which is not secret.
fn read_spec(faults: &mut Faults, members: &Map<String, Value>) -> Body {
    let data = read_data(faults, members);
    let secret_type = text(members, "type").unwrap_or(OPAQUE);
    if secret_type == TLS {
        for key in TLS_KEYS.into_iter().filter(|key| !data.contains_key(*key)) {
            faults.add(Cause::required(&keyed("data", key), "a Secret of type kubernetes.io/tls must have it"));
        }
    }
    if members.get("immutable") == Some(&Value::Bool(true)) {
        // Storing it would promise an effect that this server does not provide.
        faults.add(Cause::forbidden("immutable", "not supported"));
    }
    let mut body = Map::from_iter([("type".to_owned(), secret_type.into())]);
    if !data.is_empty() {
        body.insert("data".to_owned(), data.into());
    }
    body
}

/// The data of the Secret, in base64; a key in `stringData` replaces the same key in `data`.
fn read_data(faults: &mut Faults, members: &Map<String, Value>) -> Map<String, Value> {
    let mut data = Map::new();
    for (field, encoding) in [("data", Encoding::Base64), ("stringData", Encoding::Plain)] {
        for (key, value) in members.get(field).and_then(Value::as_object).into_iter().flatten() {
            let place = keyed(field, key);
            if !is_key(key) {
                let rule = "must be at most 253 letters, digits, '-', '_' or '.', and neither '.' nor begin with '..'";
                faults.add(Cause::invalid_unshown(&place, format!("Invalid value: the key {rule}")));
            }
            // Null is the empty value, as Kubernetes reads it.
            match encoded(value.as_str().unwrap_or_default(), encoding) {
                Some(text) => {
                    data.insert(key.clone(), text.into());
                }
                None => faults.add(Cause::invalid_unshown(&place, "Invalid value: must be base64 (RFC 4648 4)")),
            }
        }
    }
    if data.values().filter_map(Value::as_str).map(decoded_length).sum::<usize>() > LONGEST_DATA {
        faults.add(Cause::too_long("data", LONGEST_DATA));
    }
    data
}

/// A value in canonical base64. Line breaks in a base64 value are ignored, as in Kubernetes: many programs write them.
fn encoded(text: &str, encoding: Encoding) -> Option<String> {
    match encoding {
        Encoding::Plain => Some(STANDARD.encode(text)),
        Encoding::Base64 => {
            let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            STANDARD.decode(&text).is_ok().then_some(text)
        }
    }
}

/// The number of bytes that a valid and padded base64 text encodes.
fn decoded_length(base64: &str) -> usize {
    base64.len() / 4 * 3 - base64.bytes().rev().take_while(|byte| *byte == b'=').count()
}

/// Whether a text is a valid key. Where a Secret is mounted, each key becomes the name of a file.
fn is_key(key: &str) -> bool {
    (1..=LONGEST_KEY).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && key != "."
        && !key.starts_with("..")
}

fn check_change(before: &Body, after: &Body) -> Vec<Cause> {
    let of = |body: &Body| text(body, "type").unwrap_or(OPAQUE).to_owned();
    let (before, after) = (of(before), of(after));
    if before == after { Vec::new() } else { vec![Cause::invalid("type", after.as_str(), "field is immutable")] }
}

fn show(_: &App, object: &StoredObject) -> Body {
    object.content.body.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(members: &Value) -> Result<Value, Vec<String>> {
        let mut faults = Faults::default();
        let body = read_spec(&mut faults, members.as_object().unwrap());
        if faults.causes.is_empty() { Ok(body.into()) } else { Err(faults.causes.iter().map(Cause::line).collect()) }
    }

    #[test]
    fn data_is_kept_in_base64_and_plain_texts_with_it() {
        let table = [
            (json!({}), json!({"type": "Opaque"})),
            (json!({"type": "", "data": {}, "stringData": {}, "immutable": false}), json!({"type": "Opaque"})),
            (json!({"type": "x/y", "data": {"a": "YQ=="}}), json!({"type": "x/y", "data": {"a": "YQ=="}})),
            (json!({"stringData": {"a": "ä"}}), json!({"type": "Opaque", "data": {"a": "w6Q="}})),
            (
                json!({"data": {"a": "YQ==", "b": "Yg=="}, "stringData": {"a": "c"}}),
                json!({"type": "Opaque", "data": {"a": "Yw==", "b": "Yg=="}}),
            ),
            (json!({"data": {"a": "Y\nWJ\r\nj\n"}}), json!({"type": "Opaque", "data": {"a": "YWJj"}})),
            (json!({"data": {"a": "", "b": null}}), json!({"type": "Opaque", "data": {"a": "", "b": ""}})),
        ];
        for (written, kept) in table {
            assert_eq!(read(&written).unwrap(), kept, "{written}");
        }
    }

    #[test]
    fn a_fault_names_the_key_and_never_the_value() {
        let base64 = "Invalid value: must be base64 (RFC 4648 4)";
        let table = [
            (json!({"data": {"a": "canary!"}}), format!("data[a]: {base64}")),
            (json!({"data": {"a": "canaryY"}}), format!("data[a]: {base64}")),
            (json!({"immutable": true, "data": {"a": "YQ=="}}), "immutable: Forbidden: not supported".to_owned()),
            (
                json!({"type": "kubernetes.io/tls", "stringData": {"tls.crt": "canary"}}),
                "data[tls.key]: Required value: a Secret of type kubernetes.io/tls must have it".to_owned(),
            ),
            (json!({"stringData": {"a": "x".repeat(LONGEST_DATA + 1)}}), Cause::too_long("data", LONGEST_DATA).line()),
        ];
        for (written, line) in table {
            assert_eq!(read(&written).unwrap_err(), [line]);
        }
    }

    #[test]
    fn keys_are_those_of_kubernetes() {
        for key in ["a", "tls.key", "A_b-3", ".dot", "a..", &"k".repeat(253)] {
            assert!(read(&json!({"stringData": {key: ""}})).is_ok(), "{key}");
        }
        for key in ["", ".", "..", "..a", "a b", "ä", "a/b", "$patch", &"k".repeat(254)] {
            let lines = read(&json!({"stringData": {key: "canary"}})).unwrap_err();
            assert!(lines.len() == 1 && !lines[0].contains("canary"), "{lines:?}");
            assert!(read(&json!({"data": {key: ""}})).is_err(), "{key}");
        }
    }

    #[test]
    fn the_type_stays_what_it_is() {
        let body = |members: &Value| members.as_object().unwrap().clone();
        let (opaque, tls) = (body(&json!({"type": "Opaque"})), body(&json!({"type": TLS, "data": {"a": ""}})));
        assert_eq!(check_change(&opaque, &opaque), []);
        let lines: Vec<String> = check_change(&opaque, &tls).iter().map(Cause::line).collect();
        assert_eq!(lines, ["type: Invalid value: \"kubernetes.io/tls\": field is immutable"]);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was_written(
            data in prop::collection::btree_map("[a-z.]{2,5}z", prop::collection::vec(any::<u8>(), 0..20), 1..4)
        ) {
            let written: Map<String, Value> =
                data.iter().map(|(key, value)| (key.clone(), STANDARD.encode(value).into())).collect();
            let read = read(&json!({"data": written}));
            let keys_are_good = data.keys().all(|key| is_key(key));
            prop_assert_eq!(read.is_ok(), keys_are_good);
            if let Ok(body) = read {
                prop_assert_eq!(&body["data"], &Value::from(written));
            }
            for value in data.values() {
                prop_assert_eq!(decoded_length(&STANDARD.encode(value)), value.len());
            }
        }

        #[test]
        fn no_text_panics_or_is_repeated(value in "[A-Za-z0-9+/=\n ]{0,24}|.{0,24}") {
            let marked = format!("%canary%{value}");
            let lines = read(&json!({"data": {"a": marked}})).unwrap_err();
            prop_assert!(!lines.concat().contains("canary"));
            let _ = read(&json!({"data": {"a": value}, "stringData": {value.as_str(): value}}));
        }
    }
}
