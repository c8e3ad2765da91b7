//! An answer of an admin listener, from any process that owns its socket.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    grantd::client::fuzzing::answer(bytes);
});
