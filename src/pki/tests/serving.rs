//! Which serving certificates are accepted: those that Skupper's clients accept (docs/protocol.md section 1.4).

use std::{sync::Arc, time::Duration};

use rustls::ServerConfig;

use super::{Bench, chain, now};
use crate::pki::ServingIdentity;

/// A root, an intermediate below it, and a server key.
fn bench() -> Bench {
    let bench = Bench::new();
    for key in ["root.key", "middle.key", "tls.key"] {
        bench.key(key, "p-256 pkcs8");
    }
    bench.self_signed("root.crt", "root.key", "/CN=root", "ca");
    bench.issued("middle.crt", "middle.key", "ca", ("root.crt", "root.key"));
    bench
}

fn load(bench: &Bench, certificate: &str, key: &str, ca: &str) -> Result<ServingIdentity, String> {
    let [certificate, key, ca] = [certificate, key, ca].map(|name| bench.path(name));
    ServingIdentity::load(&certificate, &key, &ca, now()).map_err(|fault| chain(&fault))
}

fn server_accepts(identity: &ServingIdentity) -> bool {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain(), identity.private_key())
        .is_ok()
}

#[test]
fn every_kind_of_key_can_serve() {
    let bench = bench();
    for kind in ["rsa-2048 pkcs1", "rsa-2048 pkcs8", "p-256 sec1", "p-256 pkcs8", "p-384 sec1", "ed25519"] {
        bench.key("tls.key", kind);
        bench.issued("tls.crt", "tls.key", "leaf", ("root.crt", "root.key"));
        let identity = load(&bench, "tls.crt", "tls.key", "root.crt").unwrap();
        assert!(server_accepts(&identity), "{kind}");
        assert_eq!(identity.ca_pem().as_bytes(), bench.read("root.crt"));
    }
}

#[test]
fn the_ca_file_must_lead_to_the_leaf() {
    let bench = bench();
    bench.key("other.key", "p-256 pkcs8");
    bench.self_signed("other.crt", "other.key", "/CN=root", "ca");
    bench.self_signed("pinned.crt", "tls.key", "/CN=pinned", "leaf");
    bench.issued("tls.crt", "tls.key", "leaf", ("middle.crt", "middle.key"));
    bench.write("chain.crt", [bench.read("tls.crt"), bench.read("middle.crt")].concat());
    bench.write("several.crt", [bench.read("other.crt"), bench.read("root.crt")].concat());

    for (certificate, ca, accepted) in [
        ("chain.crt", "root.crt", true),
        ("chain.crt", "several.crt", true),
        ("tls.crt", "middle.crt", true),
        ("pinned.crt", "pinned.crt", true),
        ("tls.crt", "tls.crt", true),
        ("tls.crt", "root.crt", false),
        ("chain.crt", "other.crt", false),
        ("pinned.crt", "root.crt", false),
    ] {
        let loaded = load(&bench, certificate, "tls.key", ca);
        assert_eq!(loaded.is_ok(), accepted, "{certificate} under {ca}: {loaded:?}");
        if let Err(message) = loaded {
            assert!(message.contains(&format!("/{ca}: no certificate in it has issued")), "{message}");
        }
    }
}

#[test]
fn a_leaf_that_issues_is_no_ca() {
    let bench = bench();
    bench.key("rogue.key", "p-256 pkcs8");
    bench.issued("rogue.crt", "rogue.key", "leaf", ("root.crt", "root.key"));
    bench.issued("tls.crt", "tls.key", "leaf", ("rogue.crt", "rogue.key"));
    bench.write("chain.crt", [bench.read("tls.crt"), bench.read("rogue.crt")].concat());
    assert!(load(&bench, "chain.crt", "tls.key", "root.crt").is_err());
}

#[test]
fn a_certificate_that_clients_would_refuse_is_refused() {
    let bench = bench();
    for (section, fault) in [
        ("leaf_without_eku", None),
        ("leaf_for_clients", Some("serverAuth")),
        ("leaf_without_san", Some("subjectAltName")),
        ("leaf_with_mail", Some("subjectAltName")),
    ] {
        bench.issued("tls.crt", "tls.key", section, ("root.crt", "root.key"));
        match (load(&bench, "tls.crt", "tls.key", "root.crt"), fault) {
            (Ok(_), None) => {}
            (Err(message), Some(words)) => {
                assert!(message.contains("/tls.crt: ") && message.contains(words), "{message}");
            }
            (loaded, _) => panic!("{section}: {loaded:?}"),
        }
    }
}

#[test]
fn files_that_do_not_fit_are_named() {
    let bench = bench();
    bench.issued("tls.crt", "tls.key", "leaf", ("root.crt", "root.key"));
    bench.write("empty", "");
    bench.write("both", [bench.read("root.crt"), bench.read("root.key")].concat());
    for (certificate, key, ca, words) in [
        ("tls.crt", "root.key", "root.crt", "key PATH/root.key: it is not the key of the certificate"),
        ("tls.key", "tls.key", "root.crt", "certificate PATH/tls.key: it holds no certificate"),
        ("tls.crt", "tls.crt", "root.crt", "key PATH/tls.crt: it holds no private key"),
        ("tls.crt", "tls.key", "empty", "CA file PATH/empty: it is empty"),
        ("tls.crt", "tls.key", "both", "CA file PATH/both: it holds a private key"),
    ] {
        let message = load(&bench, certificate, key, ca).unwrap_err();
        let message = message.replace(&bench.path("").display().to_string(), "PATH/");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_certificate_outside_its_dates_is_refused() {
    let bench = bench();
    bench.issued("tls.crt", "tls.key", "leaf", ("root.crt", "root.key"));
    let day = Duration::from_secs(24 * 60 * 60);
    for (now, words) in
        [(now().saturating_add(day * 21), "it expired after"), (now().saturating_sub(day), "not valid before")]
    {
        let [certificate, key, ca] = ["tls.crt", "tls.key", "root.crt"].map(|name| bench.path(name));
        let message = chain(&ServingIdentity::load(&certificate, &key, &ca, now).unwrap_err());
        assert!(message.contains("/tls.crt: ") && message.contains(words), "{message}");
    }
}

#[test]
fn a_host_is_covered_by_the_right_kind_of_name() {
    let bench = bench();
    bench.issued("tls.crt", "tls.key", "leaf", ("root.crt", "root.key"));
    let identity = load(&bench, "tls.crt", "tls.key", "root.crt").unwrap();
    for (host, covered) in [
        ("west.example.com", true),
        ("WEST.example.com", true),
        ("grants.apps.example.com", true),
        ("a.b.apps.example.com", false),
        ("apps.example.com", false),
        ("example.com", false),
        ("127.0.0.1", true),
        ("127.0.0.2", false),
        ("::1", true),
        ("::2", false),
    ] {
        assert_eq!(identity.covers(&host.parse().unwrap()), covered, "{host}");
    }
}

#[test]
fn a_certificate_is_due_after_two_thirds_of_its_life() {
    let bench = bench();
    bench.issued("tls.crt", "tls.key", "leaf", ("root.crt", "root.key"));
    let identity = load(&bench, "tls.crt", "tls.key", "root.crt").unwrap();
    let life = identity.not_after().since(identity.not_before());
    let due = identity.not_before().saturating_add(life * 2 / 3);
    assert!(!identity.is_due(due.saturating_sub(Duration::from_secs(3))));
    assert!(identity.is_due(due));
    assert!(identity.is_due(identity.not_after()));
}

#[test]
fn debug_of_a_serving_identity_shows_no_key() {
    let bench = bench();
    bench.issued("tls.crt", "tls.key", "leaf", ("root.crt", "root.key"));
    let identity = load(&bench, "tls.crt", "tls.key", "root.crt").unwrap();
    let shown = format!("{identity:?}");
    assert!(shown.contains("west.example.com"), "{shown}");
    assert!(!shown.contains("key"), "{shown}");
}
