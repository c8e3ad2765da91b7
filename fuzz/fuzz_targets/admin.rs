//! An admin request: a body, a JSON patch, and the same bytes as path and query.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    grantd::kube::fuzzing::body(bytes);
    grantd::kube::fuzzing::operations(bytes);
    grantd::kube::fuzzing::protobuf(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (path, query) = text.split_once('?').unwrap_or((text, text));
        grantd::kube::fuzzing::address(path, query);
    }
});
