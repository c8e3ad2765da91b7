//! The CAs and serving certificates that grantd makes for itself.

use std::time::Duration;

use super::{Bench, chain, now};
use crate::{
    link::Host,
    pki::{CaKeyType, Issuer, PkiError, ServingIdentity, certificate, make_ca, make_serving, pem},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn hosts(names: &[&str]) -> Vec<Host> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn a_self_made_ca_can_sign_certificates_for_ten_years() {
    let now = now();
    for key_type in CaKeyType::ALL {
        let ca = make_ca("my-site site CA", key_type, now).unwrap();
        let issuer = Issuer::from_pem(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), now).unwrap();
        assert_eq!(issuer.not_after(), now.saturating_add(DAY * 3_650));
        assert!(issuer.check(now.saturating_sub(Duration::from_secs(300))).is_ok());
        let blocks = pem::blocks(ca.certificate_pem.as_bytes()).unwrap();
        let read = certificate::parse(&blocks[0].der).unwrap();
        assert_eq!(read.subject().to_string(), "CN=my-site site CA");
        assert!(certificate::key_identifier(&read).is_some());
    }
}

#[test]
fn an_rsa_ca_is_written_as_skupper_reads_it() {
    let bench = Bench::new();
    let ca = make_ca("ca", CaKeyType::Rsa2048, now()).unwrap();
    bench.write("ca.key", ca.key.expose());
    bench.openssl("rsa -in ca.key -check -noout");
    bench.openssl("rsa -in ca.key -traditional -out again.key");
    let same = bench.read("again.key") == ca.key.expose().as_bytes();
    assert!(same, "it is not PKCS#1, byte for byte as openssl writes it");
}

#[test]
fn a_long_name_is_shortened() {
    let ca = make_ca(&"n".repeat(200), CaKeyType::EcdsaP256, now()).unwrap();
    let blocks = pem::blocks(ca.certificate_pem.as_bytes()).unwrap();
    let read = certificate::parse(&blocks[0].der).unwrap();
    assert_eq!(read.subject().to_string().len(), "CN=".len() + 64);
}

#[test]
fn a_serving_certificate_is_accepted_for_its_hosts() {
    let bench = Bench::new();
    let now = now();
    for key_type in CaKeyType::ALL {
        let ca = make_ca("grant server CA", key_type, now).unwrap();
        let hosts = hosts(&["grants.example.com", "vm_1", "10.1.1.1", "fe80::1"]);
        let (chain_pem, key) =
            make_serving(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), &hosts, now, DAY * 365).unwrap();
        let certificate = bench.write("tls.crt", &chain_pem);
        let key = bench.write("tls.key", key.expose());
        let ca = bench.write("ca.crt", &ca.certificate_pem);

        assert_eq!(bench.strictly_accepts_server("ca.crt", "tls.crt"), Ok(()));
        let identity = ServingIdentity::load(&certificate, &key, &ca, now).unwrap();
        assert!(hosts.iter().all(|host| identity.covers(host)));
        assert_eq!(identity.not_before(), now.saturating_sub(Duration::from_secs(300)));
        assert_eq!(identity.not_after(), now.saturating_add(DAY * 365));
        bench.openssl("x509 -in tls.crt -noout -checkend 3600 -checkip 10.1.1.1");
    }
}

#[test]
fn a_serving_certificate_never_outlives_its_ca() {
    let made = now().saturating_sub(DAY * 3_640);
    let ca = make_ca("ca", CaKeyType::EcdsaP256, made).unwrap();
    let (chain_pem, _) = make_serving(
        ca.certificate_pem.as_bytes(),
        ca.key.expose().as_bytes(),
        &hosts(&["a.example"]),
        now(),
        DAY * 365,
    )
    .unwrap();
    let blocks = pem::blocks(chain_pem.as_bytes()).unwrap();
    let read = certificate::parse(&blocks[0].der).unwrap();
    assert_eq!(certificate::validity(&read).not_after, made.saturating_add(DAY * 3_650));
}

#[test]
fn a_ca_that_cannot_be_used_is_refused() {
    let now = now();
    let ca = make_ca("ca", CaKeyType::EcdsaP256, now).unwrap();
    let other = make_ca("ca", CaKeyType::EcdsaP256, now).unwrap();
    let serve = |key: &str, hosts: &[Host], now| {
        make_serving(ca.certificate_pem.as_bytes(), key.as_bytes(), hosts, now, DAY).unwrap_err()
    };
    let somewhere = hosts(&["a.example"]);
    assert!(matches!(serve(ca.key.expose(), &[], now), PkiError::NoHosts));
    assert!(chain(&serve(other.key.expose(), &somewhere, now)).contains("not the key"));
    assert!(chain(&serve(ca.key.expose(), &somewhere, now.saturating_add(DAY * 4_000))).contains("expired"));
}

#[test]
fn a_ca_whose_name_would_change_is_refused() {
    let bench = Bench::new();
    bench.key("ca.key", "p-256 pkcs8");
    bench.self_signed("ca.crt", "ca.key", "/OU=East/OU=West/CN=ca", "ca");
    let made = make_serving(&bench.read("ca.crt"), &bench.read("ca.key"), &hosts(&["a.example"]), now(), DAY);
    assert!(matches!(made, Err(PkiError::Authority(_))));
}
