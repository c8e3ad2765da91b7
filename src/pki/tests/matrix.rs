//! Any CA works: every kind of key with every kind of name.

use std::sync::Arc;

use rustls::{RootCertStore, pki_types::UnixTime, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{Bench, is_issued_by, issue, now};
use crate::pki::{Issuer, Profile};

/// What a CA can look like: subject, extensions, and type of string in its name.
const CAS: &[(&str, &str, &str)] = &[
    ("/CN=skupper-site-ca", "ca", "utf8only"),
    ("/CN=skupper-site-ca", "ca_as_skupper", "nombstr"),
    ("/CN=skupper-site-ca", "ca_without_ski", "utf8only"),
    ("/CN=skupper-site-ca", "ca_bare", "utf8only"),
    ("/O=Example/OU=East/OU=West/CN=two units", "ca", "utf8only"),
    ("/DC=org/DC=example/CN=two components", "ca", "utf8only"),
    ("/O=A+O=B/CN=multi-valued", "ca", "utf8only"),
    ("/O=B+OU=A+CN=all in one", "ca_without_ski", "nombstr"),
    ("/CN=ca/emailAddress=ca@example.com", "ca", "utf8only"),
    ("/C=CH/O=Printable/CN=ca", "ca", "nombstr"),
    ("/O=Zürich/CN=ŝipo ⚓", "ca", "utf8only"),
    ("/O=Zürich/CN=wide", "ca", "MASK:0x0800"),
    ("/O=No common name", "ca", "utf8only"),
    ("/", "ca", "utf8only"),
    ("/serialNumber=0001/title= spaces  within /CN=CA", "ca", "utf8only"),
    (
        "/O=0123456789012345678901234567890123456789012345678901234567890123\
         /OU=0123456789012345678901234567890123456789012345678901234567890123\
         /OU=0123456789012345678901234567890123456789012345678901234567890123\
         /OU=0123456789012345678901234567890123456789012345678901234567890123\
         /CN=more than 255 bytes",
        "ca",
        "utf8only",
    ),
];

/// Issues below every CA of the table and asks two verifiers that are not ours.
fn every_ca_works_with(kind: &str) {
    let bench = Bench::new();
    bench.key("ca.key", kind);
    for (subject, section, string_mask) in CAS {
        let subject = subject.replace("         ", "");
        bench.self_signed_with("ca.crt", "ca.key", &subject, section, string_mask);
        let case = format!("{kind} {subject} {section} {string_mask}");

        let issuer = Issuer::load(&bench.path("ca.crt"), &bench.path("ca.key"), now())
            .unwrap_or_else(|fault| panic!("{case}: {}", super::chain(&fault)));
        let credential = issue(&issuer, "east", now(), &Profile::default()).unwrap();

        bench.write("leaf.crt", credential.certificate_pem());
        assert_eq!(bench.accepts_client("ca.crt", "leaf.crt"), Ok(()), "{case}");
        assert_eq!(accepted_by_rustls(&bench.read("ca.crt"), &credential.certificate_pem()), Ok(()), "{case}");
        assert_eq!(issuer.ca_pem().as_bytes(), bench.read("ca.crt"), "{case}");
        assert!(is_issued_by(&bench.read("leaf.crt"), &bench.read("ca.crt")), "{case}");
    }
}

fn accepted_by_rustls(ca_pem: &[u8], leaf_pem: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem).unwrap()).map_err(|e| e.to_string())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let leaf = CertificateDer::from_pem_slice(leaf_pem.as_bytes()).unwrap();
    let seconds = u64::try_from(now().unix_seconds()).unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier.verify_client_cert(&leaf, &[], at).map(drop).map_err(|e| e.to_string())
}

macro_rules! any_ca_works {
    ($($test:ident: $kind:literal)*) => {
        $(
            #[test]
            fn $test() {
                every_ca_works_with($kind);
            }
        )*
    };
}

any_ca_works! {
    any_ca_with_rsa_2048_in_pkcs1_works: "rsa-2048 pkcs1"
    any_ca_with_rsa_2048_in_pkcs8_works: "rsa-2048 pkcs8"
    any_ca_with_rsa_3072_in_pkcs1_works: "rsa-3072 pkcs1"
    any_ca_with_rsa_3072_in_pkcs8_works: "rsa-3072 pkcs8"
    any_ca_with_rsa_4096_in_pkcs1_works: "rsa-4096 pkcs1"
    any_ca_with_rsa_4096_in_pkcs8_works: "rsa-4096 pkcs8"
    any_ca_with_p_256_in_sec1_works: "p-256 sec1"
    any_ca_with_p_256_in_pkcs8_works: "p-256 pkcs8"
    any_ca_with_p_384_in_sec1_works: "p-384 sec1"
    any_ca_with_p_384_in_pkcs8_works: "p-384 pkcs8"
    any_ca_with_ed25519_works: "ed25519"
}
