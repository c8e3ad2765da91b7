use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::kube::{problem::status::Problem, wire::protobuf::object};

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A field of bytes: a text or a message.
pub(super) fn field(number: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// A whole body.
pub(super) fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let named = [field(1, api_version), field(2, kind)].concat();
    [b"k8s\0".to_vec(), field(1, named), field(2, raw), field(3, ""), field(4, "")].concat()
}

fn namespace(raw: &[u8]) -> Result<Value, Problem> {
    object(&envelope("v1", "Namespace", raw))
}

fn refusal(bytes: &[u8]) -> String {
    let Problem::BadRequest(message) = object(bytes).unwrap_err() else { panic!("not a bad request") };
    message
}

#[test]
fn what_kubectl_writes_is_read() {
    // `kubectl create namespace x`, version 1.33, byte for byte.
    let written = b"k8s\0\n\x0f\n\x02v1\x12\tNamespace\x12\x19\n\x11\n\x01x\x12\0\x1a\0\"\0*\x002\08\0B\0\x12\0\x1a\x02\n\0\x1a\0\"\0";
    let read = object(written).unwrap();
    assert_eq!(
        read,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "generateName": "", "namespace": ""}})
    );
}

#[test]
fn fields_that_are_not_known_are_skipped_whatever_their_type() {
    let skipped = [
        vec![7 << 3, 0xff, 1],
        [vec![8 << 3 | 1], vec![7; 8]].concat(),
        [vec![9 << 3 | 5], vec![7; 4]].concat(),
        field(15, "anything"),
        // A group in a group.
        vec![10 << 3 | 3, 3 << 3 | 3, 8, 1, 3 << 3 | 4, 10 << 3 | 4],
    ];
    for bytes in skipped {
        let raw = [bytes.clone(), field(1, field(1, "x")), bytes].concat();
        assert_eq!(namespace(&raw).unwrap()["metadata"]["name"], "x");
    }
}

#[test]
fn other_kinds_are_refused_with_what_is_read_instead() {
    for (api_version, kind) in
        [("v1", "ConfigMap"), ("v2", "Namespace"), ("skupper.io/v2alpha1", "AccessGrant"), ("", "")]
    {
        let Problem::UnsupportedMediaType(message) = object(&envelope(api_version, kind, b"")).unwrap_err() else {
            panic!("{kind}")
        };
        assert!(message.ends_with("accepted media types include: application/json"), "{message}");
    }
}

#[test]
fn a_secret_is_read_with_its_bytes_in_base64() {
    let data = [field(1, "a"), field(2, [0xff, 0])].concat();
    let text = [field(1, "b"), field(2, "text")].concat();
    let raw = [
        field(1, [field(1, "s"), field(3, "west")].concat()),
        field(2, data),
        field(2, field(1, "empty")),
        field(3, "Opaque"),
        field(4, text),
        vec![5 << 3, 1],
    ];
    let read = object(&envelope("v1", "Secret", &raw.concat())).unwrap();
    assert_eq!(
        read,
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "west"}, "type": "Opaque",
            "data": {"a": "/wA=", "empty": ""}, "stringData": {"b": "text"}, "immutable": true,
        })
    );
}

#[test]
fn what_is_broken_in_a_secret_is_refused_without_its_values() {
    let canary = b"canary\xff";
    let table = [
        (vec![5 << 3 | 2, 1, 0], "holds a field of the wrong type"),
        ([vec![5 << 3 | 1], vec![0; 8]].concat(), "holds a field of the wrong type"),
        (vec![2 << 3, 1], "holds a field of the wrong type"),
        (field(2, [field(1, canary), field(2, canary)].concat()), "holds a text that is not UTF-8"),
        (field(4, [field(1, "a"), field(2, canary)].concat()), "holds a text that is not UTF-8"),
    ];
    for (raw, fault) in table {
        let message = refusal(&envelope("v1", "Secret", &raw));
        assert_eq!(message, format!("the body is not valid protobuf: it {fault}"), "{raw:?}");
    }
}

#[test]
fn what_is_broken_is_refused() {
    let table: [(Vec<u8>, &str); 8] = [
        (field(1, field(1, [0xff])), "holds a text that is not UTF-8"),
        (vec![10, 5, 1], "ends too early"),
        (vec![10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "ends too early"),
        (vec![8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], "holds a number that is too long"),
        (vec![8, 1], "holds a field of the wrong type"),
        (vec![2, 0], "holds a field without a number"),
        (vec![15], "holds a wire type that is none"),
        (vec![12], "ends a group that did not begin"),
    ];
    for (raw, fault) in table {
        let message = refusal(&envelope("v1", "Namespace", &raw));
        assert_eq!(message, format!("the body is not valid protobuf: it {fault}"), "{raw:?}");
    }
    assert!(refusal(b"{}").ends_with("does not begin as one of Kubernetes"));
    assert!(
        refusal(&[envelope("v1", "Namespace", b""), field(3, "gzip")].concat()).ends_with("holds an encoded object")
    );
}

#[test]
fn nesting_ends_somewhere() {
    let deep = vec![3 << 3 | 3; 100_000];
    assert!(refusal(&envelope("v1", "Namespace", &deep)).ends_with("is nested too deep"));
}

fn members(names: &[&str], texts: &[String]) -> (Map<String, Value>, Vec<u8>) {
    let json = names.iter().zip(texts).map(|(name, text)| ((*name).to_owned(), text.clone().into())).collect();
    let bytes = (1..).zip(texts).flat_map(|(number, text)| field(number, text)).collect();
    (json, bytes)
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = object(&bytes);
        let _ = object(&[b"k8s\0", bytes.as_slice()].concat());
        let _ = namespace(&bytes);
        let _ = namespace(&field(1, &bytes));
        let _ = object(&envelope("v1", "Secret", &bytes));
        let _ = object(&envelope("v1", "Secret", &field(2, &bytes)));
        let _ = object(&envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview", &field(2, &bytes)));
    }

    #[test]
    fn a_body_cut_short_is_refused_or_is_another_body(texts in prop::collection::vec(".{0,8}", 7), at in 0_usize..80) {
        let names = ["namespace", "verb", "group", "version", "resource", "subresource", "name"];
        let (_, bytes) = members(&names, &texts);
        let whole = envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview", &field(2, field(1, bytes)));
        let _ = object(&whole[..at.min(whole.len())]);
    }

    #[test]
    fn a_question_is_read_as_it_was_written(texts in prop::collection::vec(".{0,200}", 7)) {
        let names = ["namespace", "verb", "group", "version", "resource", "subresource", "name"];
        let (json, bytes) = members(&names, &texts);
        let read = object(&envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview", &field(2, field(1, bytes))));
        prop_assert_eq!(&read.unwrap()["spec"]["resourceAttributes"], &Value::Object(json));
    }

    #[test]
    fn data_is_read_as_it_was_written(
        data in prop::collection::btree_map(".{0,9}", prop::collection::vec(any::<u8>(), 0..40), 1..5)
    ) {
        let pairs = data.iter().flat_map(|(key, value)| field(2, [field(1, key), field(2, value)].concat()));
        let read = object(&envelope("v1", "Secret", &pairs.collect::<Vec<u8>>())).unwrap();
        for (key, value) in &data {
            prop_assert_eq!(STANDARD.decode(read["data"][key].as_str().unwrap()).unwrap(), value.as_slice());
        }
    }

    #[test]
    fn maps_are_read_as_they_were_written(labels in prop::collection::btree_map(".{0,9}", ".{0,9}", 1..5)) {
        let pairs = labels.iter().flat_map(|(key, value)| field(11, [field(1, key), field(2, value)].concat()));
        let read = namespace(&field(1, pairs.collect::<Vec<u8>>())).unwrap();
        prop_assert_eq!(&read["metadata"]["labels"], &json!(labels));
    }
}
