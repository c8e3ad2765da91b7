//! Stored objects, decrypted: what controllers and the credentials of routers are read from.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(content) = grantd::store::fuzzing::content(bytes)
        && let Some(secret) = grantd::app::fuzzing::controllers(content)
    {
        grantd::client::fuzzing::credentials(&secret, &"a".parse().expect("a host"));
    }
});
