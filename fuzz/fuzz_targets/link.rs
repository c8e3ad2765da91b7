//! Files of links and their Secrets: read or refused, and what was read is written and read back the same.
#![no_main]

use grantd::link::{Link, TlsSecret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(link) = Link::read(text) {
        assert_eq!(Link::read(&link.write(None)), Ok(link), "what we write we read");
    }
    if let Ok(secret) = TlsSecret::read(text) {
        let again = TlsSecret::read(&secret.write(None)).expect("what we write we read");
        assert_eq!((&again.name, &again.ca_pem), (&secret.name, &secret.ca_pem));
        assert_eq!((&again.certificate_pem, again.key.expose()), (&secret.certificate_pem, secret.key.expose()));
        grantd::client::fuzzing::credentials(&secret, &"a".parse().expect("a host"));
    }
});
