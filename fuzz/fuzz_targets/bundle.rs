//! An answer from any server: a whole bundle, or refused.
#![no_main]

use grantd::link::Bundle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(bundle) = Bundle::read(bytes) {
        assert!(!bundle.links.is_empty());
        assert!(bundle.links.iter().all(|link| link.tls_credentials == bundle.secret.name));
    }
});
