//! What an issued certificate says.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use proptest::prelude::*;
use x509_parser::{extensions::ParsedExtension, x509::X509Version};

use super::{Bench, issue, now};
use crate::{
    grant::Certified as _,
    pki::{
        CaKeyType, ClientKeyType, IssueError, Issuer, IssuerFault, Profile, certificate, key, make_ca, pem,
        profile::common_name,
    },
    time::Timestamp,
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn issuer(now: Timestamp) -> Issuer {
    let ca = make_ca("site CA", CaKeyType::EcdsaP256, now).unwrap();
    Issuer::from_pem(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), now).unwrap()
}

fn der(certificate_pem: &str) -> Vec<u8> {
    pem::blocks(certificate_pem.as_bytes()).unwrap().remove(0).der.to_vec()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

#[test]
fn a_certificate_says_what_the_profile_promises() {
    let issuer = issuer(now());
    for key_type in ClientKeyType::ALL {
        let profile = Profile { key_type, ..Profile::default() };
        let credential = issue(&issuer, "east-site", now(), &profile).unwrap();
        let der = der(&credential.certificate_pem());
        let leaf = certificate::parse(&der).unwrap();

        assert_eq!(leaf.version(), X509Version::V3);
        assert_eq!(leaf.subject().to_string(), "CN=east-site");
        assert_eq!(leaf.issuer().to_string(), "CN=site CA");
        assert_eq!(leaf.raw_serial(), credential.record().serial.as_bytes());
        assert!(!leaf.basic_constraints().unwrap().unwrap().value.ca);
        let usage = leaf.key_usage().unwrap().unwrap();
        let rsa = matches!(key_type, ClientKeyType::Rsa2048 | ClientKeyType::Rsa3072);
        assert!(usage.critical);
        assert_eq!(usage.value.flags, if rsa { 0b101 } else { 0b001 }, "{key_type}");
        let extended = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(extended.client_auth && !extended.server_auth && !extended.any && extended.other.is_empty());
        assert_eq!(leaf.extensions().len(), 4, "no subjectAltName, no subjectKeyIdentifier");
    }
}

#[test]
fn the_authority_key_identifier_is_the_cas_own() {
    let now = now();
    let issuer = issuer(now);
    let ca_der = der(issuer.ca_pem());
    let ca = certificate::parse(&ca_der).unwrap();
    let leaf_der = der(&issue(&issuer, "east", now, &Profile::default()).unwrap().certificate_pem());
    let leaf = certificate::parse(&leaf_der).unwrap();

    let named = leaf.iter_extensions().find_map(|extension| {
        let ParsedExtension::AuthorityKeyIdentifier(authority) = extension.parsed_extension() else { return None };
        authority.key_identifier.as_ref().map(|identifier| identifier.0)
    });
    assert!(named.is_some());
    assert_eq!(named, certificate::key_identifier(&ca));
}

#[test]
fn key_certificate_and_record_belong_together() {
    let bench = Bench::new();
    let now = now();
    let issuer = issuer(now);
    for key_type in ClientKeyType::ALL {
        let profile = Profile { key_type, ..Profile::default() };
        let credential = issue(&issuer, "east", now, &profile).unwrap();
        let (key_pem, record) = (credential.key().unwrap(), credential.record());
        let der = der(&credential.certificate_pem());
        let leaf = certificate::parse(&der).unwrap();

        assert!(key_pem.expose().starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(key::read(key_pem.expose().as_bytes()).unwrap().key.belongs_to(leaf.public_key()));
        assert_eq!(record.key_fingerprint.as_bytes(), digest(&SHA256, leaf.public_key().raw).as_ref());
        assert_eq!(record.not_after, certificate::validity(&leaf).not_after);
        bench.write("client.key", key_pem.expose());
        bench.openssl("pkey -in client.key -check -noout");
    }
}

#[test]
fn every_kind_of_client_key_is_accepted_even_by_a_strict_verifier() {
    let bench = Bench::new();
    for ca_key_type in CaKeyType::ALL {
        let ca = make_ca("site CA", ca_key_type, now()).unwrap();
        let issuer = Issuer::from_pem(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), now()).unwrap();
        bench.write("ca.crt", issuer.ca_pem());
        for key_type in ClientKeyType::ALL {
            let profile = Profile { key_type, ..Profile::default() };
            let credential = issue(&issuer, "east", now(), &profile).unwrap();
            bench.write("leaf.crt", credential.certificate_pem());
            assert_eq!(bench.strictly_accepts_client("ca.crt", "leaf.crt"), Ok(()), "{ca_key_type} {key_type}");
        }
    }
}

#[test]
fn a_certificate_starts_five_minutes_early_and_ends_after_the_validity_of_the_profile() {
    let made = at(1_700_000_000);
    let issuer = issuer(made);
    let admitted = made.saturating_add(YEAR);
    let profile = Profile { validity: Duration::from_secs(3_600), ..Profile::default() };
    let credential = issue(&issuer, "east", admitted, &profile).unwrap();

    let der = der(&credential.certificate_pem());
    let validity = certificate::validity(&certificate::parse(&der).unwrap());
    assert_eq!(validity.not_before, admitted.saturating_sub(Duration::from_secs(300)));
    assert_eq!(validity.not_after, admitted.saturating_add(Duration::from_secs(3_600)));
}

#[test]
fn a_certificate_never_outlives_its_ca() {
    let made = at(1_700_000_000);
    let issuer = issuer(made);
    let credential = issue(&issuer, "east", made.saturating_add(YEAR * 8), &Profile::default()).unwrap();
    assert_eq!(credential.record().not_after, issuer.not_after());
}

#[test]
fn dates_beyond_2049_are_read_back() {
    let made: Timestamp = "2046-01-01T00:00:00Z".parse().unwrap();
    let issuer = issuer(made);
    let credential = issue(&issuer, "east", made, &Profile::default()).unwrap();
    let der = der(&credential.certificate_pem());
    let validity = certificate::validity(&certificate::parse(&der).unwrap());
    assert_eq!(validity.not_after, made.saturating_add(YEAR * 5));
    assert!(validity.not_after.to_string().starts_with("2050-12-3"));
}

#[test]
fn an_issuer_outside_its_dates_issues_nothing() {
    let made = at(1_700_000_000);
    let issuer = issuer(made);
    let after = issuer.not_after().saturating_add(Duration::from_secs(1));
    let before = made.saturating_sub(Duration::from_secs(301));

    assert!(issuer.check(issuer.not_after()).is_ok());
    assert!(matches!(
        issue(&issuer, "east", after, &Profile::default()),
        Err(IssueError::Issuer(IssuerFault::Expired { .. }))
    ));
    assert!(matches!(
        issue(&issuer, "east", before, &Profile::default()),
        Err(IssueError::Issuer(IssuerFault::NotYetValid { .. }))
    ));
}

#[test]
fn no_two_certificates_share_a_serial_or_a_key() {
    let now = now();
    let issuer = issuer(now);
    let records: Vec<_> =
        (0..50).map(|_| *issue(&issuer, "east", now, &Profile::default()).unwrap().record()).collect();
    let serials: std::collections::HashSet<_> = records.iter().map(|record| record.serial).collect();
    let keys: std::collections::HashSet<_> = records.iter().map(|record| record.key_fingerprint).collect();
    assert_eq!((serials.len(), keys.len()), (50, 50));
}

#[test]
fn rsa_is_slow_and_nothing_else_is() {
    let rsa = make_ca("site CA", CaKeyType::Rsa2048, now()).unwrap();
    let rsa = Issuer::from_pem(rsa.certificate_pem.as_bytes(), rsa.key.expose().as_bytes(), now()).unwrap();
    let ecdsa = issuer(now());
    for key_type in ClientKeyType::ALL {
        let profile = Profile { key_type, ..Profile::default() };
        assert!(rsa.is_slow(&profile));
        let rsa_client = matches!(key_type, ClientKeyType::Rsa2048 | ClientKeyType::Rsa3072);
        assert_eq!(ecdsa.is_slow(&profile), rsa_client, "{key_type}");
    }
}

#[test]
fn debug_of_an_issuer_and_a_credential_shows_no_key() {
    let now = now();
    let issuer = issuer(now);
    let credential = issue(&issuer, "east", now, &Profile::default()).unwrap();
    let secret = credential.key().unwrap().expose().lines().nth(1).unwrap().to_owned();
    let shown = format!("{issuer:?} {credential:?}");
    assert!(!shown.contains(&secret) && shown.contains("PrivateKeyPem(redacted)"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_subject_becomes_the_common_name(subject in "[^\\p{C}]{1,63}") {
        let now = now();
        let credential = issue(&issuer(now), &subject, now, &Profile::default()).unwrap();
        let der = der(&credential.certificate_pem());
        let leaf = certificate::parse(&der).unwrap();
        let names: Vec<_> = leaf.subject().iter_common_name().map(|name| name.as_str().unwrap()).collect();
        prop_assert_eq!(names, [common_name(&subject)]);
    }
}
