//! A way in for fuzzers, which reach public items only. Built with `--cfg fuzzing` and in no other way.

use super::{
    grants::AccessGrants,
    json,
    manifest::Manifest,
    merge::merge,
    operations::Operations,
    protobuf,
    query::{FieldValidation, Query},
    secrets,
    selector::Selector,
    stored::Stored,
    target::Target,
};
use crate::grant::Allowance;

/// Reads a body as the admin door does, as an object and as a patch of itself.
pub fn body(bytes: &[u8]) {
    let Ok(object) = json::object(bytes) else { return };
    if let Ok(manifest) = Manifest::read(AccessGrants, &object, FieldValidation::Ignore) {
        assert!(Allowance::new(manifest.wanted.spec.allowed, 0).is_ok(), "an allowance that cannot be");
    }
    let _ = Manifest::read(Stored(&secrets::STORED), &object, FieldValidation::Ignore);
    let once = merge(object.clone(), object.clone());
    assert_eq!(merge(once.clone(), object), once, "the same patch again changes nothing (RFC 7386)");
}

/// Reads a body as a JSON patch, and applies it to a small object.
pub fn operations(bytes: &[u8]) {
    let Ok(items) = json::array(bytes) else { return };
    let Ok(operations) = Operations::read(items) else { return };
    let _ = operations.apply(serde_json::json!({"a": [1, {"b": "c"}], "d": {}}));
}

/// Reads a body in protobuf as the admin door does.
pub fn protobuf(bytes: &[u8]) {
    let _ = protobuf::object(&[b"k8s\0", bytes].concat());
}

/// Reads a path and a query as the admin door does.
pub fn address(path: &str, query: &str) {
    let _ = Target::read(path);
    if let Ok(query) = Query::read(query) {
        let _ = (query.limit(), query.wants_watch());
    }
    let _ = Selector::read(Some(path), Some(query), &["type"]);
}
