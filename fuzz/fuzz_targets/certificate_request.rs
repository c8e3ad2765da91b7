//! A certificate request from a client that has the code: a real one with some bytes changed, or any bytes.
#![no_main]

use std::sync::OnceLock;

use grantd::pki::{CertificateRequest, RequestKey};
use libfuzzer_sys::fuzz_target;

fn request() -> &'static [u8] {
    static REQUEST: OnceLock<Vec<u8>> = OnceLock::new();
    REQUEST.get_or_init(|| {
        let key = RequestKey::generate().expect("a key is made");
        key.certificate_request().expect("a request is signed")
    })
}

fuzz_target!(|input: (Vec<(u16, u8)>, Vec<u8>)| {
    let (changes, bytes) = input;
    let mut request = request().to_vec();
    for (place, byte) in &changes {
        let place = usize::from(*place) % request.len();
        request[place] ^= *byte;
    }
    // Whatever is changed around what is signed, the key is the one that has signed.
    if let Ok(read) = CertificateRequest::read(&request) {
        let own = CertificateRequest::read(self::request()).expect("a request of our own is good");
        assert_eq!(read.key_fingerprint(), own.key_fingerprint());
    }
    let _ = CertificateRequest::read(&bytes);
});
