//! Certificates and keys from files that anybody may have written.
#![no_main]

use grantd::{pki::Issuer, time::Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (certificate, key) = bytes.split_at(bytes.len() / 2);
    let _ = Issuer::from_pem(certificate, key, Timestamp::from_unix_seconds(1_800_000_000));
});
