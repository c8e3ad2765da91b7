//! Backups, before their checksum is known to be right.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    grantd::archive::fuzzing::archive(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        grantd::archive::fuzzing::header(text);
    }
});
