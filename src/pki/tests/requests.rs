//! Certificates for the keys of clients' own requests, which the real `openssl` makes.

use super::{Bench, admission, now};
use crate::{
    grant::{Certified as _, Signed},
    pki::{
        CaKeyType, CertificateRequest, CertificateRequestFault, Issuer, Profile, RequestKey, certificate, make_ca, pem,
    },
};

/// A request for the key in `client.key`, in DER, with names and extensions that a client could wish for.
fn request(bench: &Bench, options: &str) -> Vec<u8> {
    bench.openssl(&format!(
        "req -new -config openssl.cnf -key client.key -subj /CN=root/O=other -addext subjectAltName=DNS:west.example.com \
         -addext basicConstraints=critical,CA:TRUE -outform DER -out request.der {options}"
    ));
    bench.read("request.der")
}

#[test]
fn a_request_with_a_strong_key_gets_a_certificate_of_the_profile_and_nothing_it_wished_for() {
    let bench = Bench::new();
    let ca = make_ca("site CA", CaKeyType::EcdsaP256, now()).unwrap();
    let issuer = Issuer::from_pem(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), now()).unwrap();
    bench.write("ca.crt", issuer.ca_pem());
    for (kind, options) in [
        ("p-256 pkcs8", "-sha256"),
        ("p-256 pkcs8", "-sha384"),
        ("p-384 pkcs8", "-sha384"),
        ("ed25519", ""),
        ("rsa-2048 pkcs8", "-sha256"),
        ("rsa-4096 pkcs8", "-sha512"),
    ] {
        bench.key("client.key", kind);
        let read =
            CertificateRequest::read(&request(&bench, options)).unwrap_or_else(|fault| panic!("{kind}: {fault}"));

        let signed = issuer.issue_for(admission("east-site", now()), &read, &Profile::default());
        let credential = signed.map(Signed::into_credential).unwrap();

        assert!(credential.key().is_none());
        assert_eq!(credential.record().key_fingerprint, read.key_fingerprint());
        let der = pem::blocks(credential.certificate_pem().as_bytes()).unwrap().remove(0).der.to_vec();
        assert_eq!(credential.kept(), Some(&*der));
        let leaf = certificate::parse(&der).unwrap();
        assert_eq!(leaf.subject().to_string(), "CN=east-site", "{kind}");
        assert_eq!(leaf.extensions().len(), 4, "{kind}: no subjectAltName");
        assert!(!leaf.basic_constraints().unwrap().unwrap().value.ca, "{kind}");
        let usage = leaf.key_usage().unwrap().unwrap().value.flags;
        assert_eq!(usage, if kind.starts_with("rsa") { 0b101 } else { 0b001 }, "{kind}");
        bench.write("leaf.crt", credential.certificate_pem());
        assert_eq!(bench.strictly_accepts_client("ca.crt", "leaf.crt"), Ok(()), "{kind}");
        bench.openssl("pkey -in client.key -pubout -out own.pem");
        bench.openssl("x509 -in leaf.crt -pubkey -noout -out certified.pem");
        let public = |name| pem::blocks(&bench.read(name)).unwrap().remove(0).der.to_vec();
        assert_eq!(public("own.pem"), public("certified.pem"), "{kind}");
    }
}

#[test]
fn a_request_with_a_weak_or_unknown_key_or_signature_is_refused() {
    let bench = Bench::new();
    for (kind, options, fault) in [
        ("rsa-1024", "-sha256", CertificateRequestFault::RsaSize),
        ("p-521", "-sha512", CertificateRequestFault::UnsupportedKey),
        ("secp256k1", "-sha256", CertificateRequestFault::UnsupportedKey),
        ("rsa-pss", "-sha256", CertificateRequestFault::UnsupportedKey),
        ("rsa-2048 pkcs8", "-sha1", CertificateRequestFault::Signature),
        ("p-256 pkcs8", "-sha1", CertificateRequestFault::Signature),
    ] {
        bench.key("client.key", kind);
        assert_eq!(CertificateRequest::read(&request(&bench, options)).unwrap_err(), fault, "{kind} {options}");
    }
}

#[test]
fn a_request_of_another_form_or_size_is_refused() {
    let bench = Bench::new();
    bench.key("client.key", "p-256 pkcs8");
    let good = request(&bench, "");
    bench.openssl("req -inform DER -in request.der -out request.pem");
    let long = [good.clone(), vec![0; CertificateRequest::MAX_BYTES]].concat();
    bench.openssl("ec -in client.key -conv_form compressed -out compressed.key");
    bench.openssl("req -new -config openssl.cnf -key compressed.key -subj /CN=a -outform DER -out compressed.der");

    let fault = |bytes: &[u8]| CertificateRequest::read(bytes).unwrap_err();
    assert_eq!(fault(&bench.read("request.pem")), CertificateRequestFault::Malformed);
    assert_eq!(fault(&long), CertificateRequestFault::TooLong);
    assert_eq!(fault(b""), CertificateRequestFault::Malformed);
    assert_eq!(fault(&bench.read("compressed.der")), CertificateRequestFault::UnsupportedKey);
}

#[test]
fn our_own_request_is_one_that_openssl_verifies() {
    let bench = Bench::new();
    let key = RequestKey::generate().unwrap();
    bench.write("own.der", key.certificate_request().unwrap());
    bench.openssl("req -inform DER -in own.der -verify -noout");

    let ca = make_ca("site CA", CaKeyType::EcdsaP256, now()).unwrap();
    let issuer = Issuer::from_pem(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), now()).unwrap();
    let read = CertificateRequest::read(&bench.read("own.der")).unwrap();
    let signed = issuer.issue_for(admission("east", now()), &read, &Profile::default()).unwrap();
    let certificate = signed.into_credential().certificate_pem();
    assert!(key.is_certified_by(&certificate));
    assert!(!RequestKey::generate().unwrap().is_certified_by(&certificate));
}
