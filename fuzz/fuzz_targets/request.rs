//! A redemption request: path and headers, from an unauthenticated client.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|request: (&str, &[u8], &[u8])| {
    let (path, name, subject) = request;
    grantd::http::fuzzing::request(path, name, subject);
});
