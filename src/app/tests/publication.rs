//! The replacement of the serving certificate.

use std::{fs, path::PathBuf, time::Duration};

use crate::{
    app::{Publication, Replacement},
    file::{Access, Existing, write},
    pki::{CaKeyType, SelfMadeCa, ServingIdentity, make_ca, make_serving},
    time::Timestamp,
};

const HOUR: Duration = Duration::from_secs(3600);

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("grantd-publication-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// A certificate of this CA, from this second on, with these CAs in its CA file.
    fn identity(&self, ca: &SelfMadeCa, now: Timestamp, validity: Duration, ca_file: &str) -> ServingIdentity {
        let hosts = ["grants.example.com".parse().unwrap()];
        let (ca_pem, ca_key) = (ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes());
        let (certificate, key) = make_serving(ca_pem, ca_key, &hosts, now, validity).unwrap();
        let file = |name: &str, text: &str| {
            let path = self.0.join(name);
            write(&path, text.as_bytes(), Access::Private, Existing::Replace).unwrap();
            path
        };
        let (certificate, key) = (file("tls.crt", &certificate), file("tls.key", key.expose()));
        ServingIdentity::load(&certificate, &key, &file("ca.crt", ca_file), now).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000 + second)
}

fn ca(name: &str) -> SelfMadeCa {
    make_ca(name, CaKeyType::EcdsaP256, at(0)).unwrap()
}

#[test]
fn a_certificate_of_another_ca_takes_over_after_the_overlap_and_tokens_are_good_before_and_after() {
    let (scratch, old, new) = (Scratch::new(), ca("old"), ca("new"));
    let url = || "https://grants.example.com:9090".parse().unwrap();
    let publication = Publication::new(url(), scratch.identity(&old, at(0), 24 * HOUR, &old.certificate_pem));
    let in_circulation = publication.ca_pem();
    let served = |by: &str, now| publication.serving().is_trusted_by(by, now);

    let replacement =
        publication.replace_serving(scratch.identity(&new, at(10), 24 * HOUR, &new.certificate_pem), at(10), HOUR);

    assert_eq!(replacement, Replacement::Later(at(3610)));
    let issued_meanwhile = publication.ca_pem();
    assert!(!publication.switch_if_due(at(3609)));
    for token in [&in_circulation, &issued_meanwhile] {
        assert!(served(token, at(3609)));
    }
    assert!(publication.switch_if_due(at(3610)) && !publication.switch_if_due(at(3610)));
    assert!(served(&issued_meanwhile, at(3610)) && !served(&in_circulation, at(3610)));
    assert_eq!(&*publication.ca_pem(), new.certificate_pem);
}

#[test]
fn a_certificate_that_tokens_trust_already_takes_over_at_once() {
    let (scratch, old, new) = (Scratch::new(), ca("old"), ca("new"));
    let url = "https://grants.example.com:9090".parse().unwrap();
    let both = format!("{}{}", new.certificate_pem, old.certificate_pem);
    let publication = Publication::new(url, scratch.identity(&old, at(0), 24 * HOUR, &old.certificate_pem));

    let renewed = scratch.identity(&old, at(5), 24 * HOUR, &both);
    assert_eq!(publication.replace_serving(renewed, at(5), HOUR), Replacement::AtOnce);
    assert_eq!(&*publication.ca_pem(), both);
    // Its tokens carry the next CA too, as an operator may have arranged.
    let next = scratch.identity(&new, at(6), 24 * HOUR, &new.certificate_pem);
    assert_eq!(publication.replace_serving(next, at(6), HOUR), Replacement::AtOnce);
    assert_eq!(&*publication.ca_pem(), new.certificate_pem);
}

#[test]
fn a_certificate_that_ends_sooner_than_the_overlap_is_served_to_its_end_and_not_longer() {
    let (scratch, old, new) = (Scratch::new(), ca("old"), ca("new"));
    let url = || "https://grants.example.com:9090".parse().unwrap();
    let new_one = |now| scratch.identity(&new, now, 24 * HOUR, &new.certificate_pem);
    let publication = Publication::new(url(), scratch.identity(&old, at(0), HOUR, &old.certificate_pem));
    assert_eq!(publication.replace_serving(new_one(at(10)), at(10), 24 * HOUR), Replacement::Later(at(3600)));

    let expired = Publication::new(url(), scratch.identity(&old, at(0), HOUR, &old.certificate_pem));
    assert_eq!(expired.replace_serving(new_one(at(4000)), at(4000), 24 * HOUR), Replacement::AtOnce);
    let unwanted = Publication::new(url(), scratch.identity(&old, at(0), HOUR, &old.certificate_pem));
    assert_eq!(unwanted.replace_serving(new_one(at(10)), at(10), Duration::ZERO), Replacement::AtOnce);
}
