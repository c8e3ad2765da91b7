//! What is said about files that cannot be used: the file at fault, and what is wrong with it.

use std::time::Duration;

use proptest::prelude::*;

use super::{Bench, chain, is_issued_by, issue, now};
use crate::{
    pki::{CaKeyType, Issuer, PkiError, Profile, make_ca, pem},
    time::Timestamp,
};

/// A good CA in `ca.crt` and `ca.key`.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.key("ca.key", "p-256 sec1");
    bench.self_signed("ca.crt", "ca.key", "/CN=ca", "ca");
    bench
}

fn refusal(bench: &Bench, certificate: &str, key: &str) -> String {
    refusal_at(bench, certificate, key, now())
}

fn refusal_at(bench: &Bench, certificate: &str, key: &str, now: Timestamp) -> String {
    let loaded = Issuer::load(&bench.path(certificate), &bench.path(key), now);
    chain(&loaded.err().unwrap_or_else(|| panic!("{certificate} and {key} were accepted")))
}

#[track_caller]
fn assert_says(message: &str, file: &str, words: &str) {
    assert!(message.contains(&format!("/{file}: ")), "{message:?} does not name {file}");
    assert!(message.contains(words), "{message:?} does not say {words:?}");
}

#[test]
fn swapped_files_are_recognised() {
    let bench = bench();
    assert_says(&refusal(&bench, "ca.key", "ca.crt"), "ca.key", "no certificate but a block of type EC PARAMETERS");
    assert_says(&refusal(&bench, "ca.crt", "ca.crt"), "ca.crt", "no private key but a block of type CERTIFICATE");
}

#[test]
fn a_certificate_file_with_a_key_in_it_is_refused_because_it_is_handed_out_whole() {
    let bench = bench();
    let read = |name: &str| std::fs::read_to_string(bench.path(name)).unwrap();
    let (certificate, key) = (read("ca.crt"), read("ca.key"));
    let indented: String = key.lines().map(|line| format!("  {line}\n")).collect();
    for (how, key) in [("as it is", key.clone()), ("indented", indented), ("after a mark", format!("\u{feff}{key}"))] {
        for both in [format!("{key}{certificate}"), format!("{certificate}{key}")] {
            std::fs::write(bench.path("both.pem"), both).unwrap();
            let message = refusal(&bench, "both.pem", "ca.key");
            assert!(message.contains("it holds a private key"), "{how}: {message}");
        }
    }
}

#[test]
fn a_key_of_another_pair_is_refused() {
    let bench = bench();
    for kind in ["p-256 pkcs8", "p-384 sec1", "rsa-2048 pkcs1", "ed25519"] {
        bench.key("other.key", kind);
        assert_says(&refusal(&bench, "ca.crt", "other.key"), "other.key", "not the key of the certificate");
    }
}

#[test]
fn a_certificate_that_may_not_issue_is_refused() {
    let bench = bench();
    bench.key("leaf.key", "p-256 pkcs8");
    bench.issued("leaf.crt", "leaf.key", "leaf", ("ca.crt", "ca.key"));
    assert_says(&refusal(&bench, "leaf.crt", "leaf.key"), "leaf.crt", "not a CA certificate");

    for (section, words) in
        [("ca_without_cert_sign", "keyCertSign"), ("ca_for_servers", "clientAuth"), ("ca_for_anything", "clientAuth")]
    {
        bench.self_signed("odd.crt", "ca.key", "/CN=ca", section);
        assert_says(&refusal(&bench, "odd.crt", "ca.key"), "odd.crt", words);
    }
}

#[test]
fn a_ca_is_refused_for_its_extended_key_usage_because_routers_refuse_what_it_signs() {
    let bench = bench();
    bench.key("leaf.key", "p-256 pkcs8");
    for (section, accepted) in
        [("ca", true), ("ca_as_skupper", true), ("ca_for_servers", false), ("ca_for_anything", false)]
    {
        bench.self_signed("some.crt", "ca.key", "/CN=ca", section);
        bench.issued("leaf.crt", "leaf.key", "leaf_for_clients", ("some.crt", "ca.key"));
        assert_eq!(bench.accepts_client("some.crt", "leaf.crt").is_ok(), accepted, "{section}");
        let loaded = Issuer::load(&bench.path("some.crt"), &bench.path("ca.key"), now());
        assert_eq!(loaded.is_ok(), accepted, "{section}");
    }
}

#[test]
fn a_ca_outside_its_dates_is_refused() {
    let bench = bench();
    let day = Duration::from_secs(24 * 60 * 60);
    assert_says(
        &refusal_at(&bench, "ca.crt", "ca.key", now().saturating_add(day * 31)),
        "ca.crt",
        "it expired after 20",
    );
    assert_says(&refusal_at(&bench, "ca.crt", "ca.key", now().saturating_sub(day)), "ca.crt", "not valid before 20");

    let expired = make_ca("old", CaKeyType::EcdsaP256, now().saturating_sub(day * 365 * 11)).unwrap();
    bench.write("old.crt", &expired.certificate_pem);
    bench.write("old.key", expired.key.expose());
    assert_says(&refusal(&bench, "old.crt", "old.key"), "old.crt", "renew the CA");
}

#[test]
fn an_encrypted_key_comes_with_the_command_that_decrypts_it() {
    let bench = bench();
    bench.key("plain.key", "rsa-2048 pkcs8");
    bench.openssl("pkcs8 -topk8 -v2 aes256 -passout pass:x -in ca.key -out pkcs8.key");
    bench.openssl("rsa -traditional -aes256 -passout pass:x -in plain.key -out pkcs1.key");
    bench.openssl("ec -aes256 -passout pass:x -in ca.key -out sec1.key");
    for key in ["pkcs8.key", "pkcs1.key", "sec1.key"] {
        assert_says(&refusal(&bench, "ca.crt", key), key, "openssl pkey -in FILE -out FILE.plain");
    }

    bench.openssl("pkey -passin pass:x -in sec1.key -out sec1.key.plain");
    assert!(Issuer::load(&bench.path("ca.crt"), &bench.path("sec1.key.plain"), now()).is_ok());
}

#[test]
fn files_that_are_not_pem_are_refused() {
    let bench = bench();
    bench.openssl("x509 -in ca.crt -outform der -out der");
    bench.write("empty", "");
    bench.write("garbage", "hello\n");
    bench.write("cut", bench.read("ca.crt").split_last_chunk::<40>().unwrap().0);
    for (file, words) in
        [("der", "-inform der"), ("empty", "it is empty"), ("garbage", "no line starts with '-----BEGIN'")]
    {
        assert_says(&refusal(&bench, file, "ca.key"), file, words);
        assert_says(&refusal(&bench, "ca.crt", file), file, words);
    }
    assert_says(&refusal(&bench, "cut", "ca.key"), "cut", "type CERTIFICATE is damaged");
    bench.write("hollow", "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n");
    assert_says(&refusal(&bench, "hollow", "ca.key"), "hollow", "certificate number 1 is damaged");
    bench.write("hollow.key", "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n");
    assert_says(&refusal(&bench, "ca.crt", "hollow.key"), "hollow.key", "not a valid key of a supported kind");
}

#[test]
fn a_missing_file_is_named() {
    let bench = bench();
    let message = refusal(&bench, "absent.crt", "ca.key");
    assert!(message.contains("/absent.crt: ") && message.contains("No such file"), "{message}");
    let error = Issuer::load(&bench.path("ca.crt"), &bench.path("absent.key"), now()).unwrap_err();
    assert!(matches!(error, PkiError::File(_)));
}

#[test]
fn weak_and_unsupported_keys_are_refused() {
    let bench = bench();
    for (kind, certificate_words, key_words) in [
        ("rsa-1024", "RSA key has 1024 bits", "not of 2048 to 4096 bits"),
        ("rsa-pss", "kind of key is not supported", ""),
        ("p-521", "kind of key is not supported", "not a valid key of a supported kind"),
        ("secp256k1", "kind of key is not supported", "not a valid key of a supported kind"),
    ] {
        bench.key("odd.key", kind);
        bench.self_signed("odd.crt", "odd.key", "/CN=odd", "ca");
        let message = refusal(&bench, "ca.crt", "odd.key");
        assert_says(&message, "odd.key", key_words);
        bench.key("good.key", "p-256 pkcs8");
        assert_says(&refusal(&bench, "odd.crt", "good.key"), "odd.crt", certificate_words);
    }
}

#[test]
fn a_private_key_in_the_certificate_file_is_refused() {
    let bench = bench();
    bench.write("both", [bench.read("ca.crt"), bench.read("ca.key")].concat());
    assert_says(&refusal(&bench, "both", "ca.key"), "both", "given to others");
}

#[test]
fn a_key_file_may_hold_certificates_and_comments_too() {
    let bench = bench();
    let text = [&b"# site CA\r\n"[..], &bench.read("ca.crt"), &bench.read("ca.key")].concat();
    bench.write("both", text);
    assert!(Issuer::load(&bench.path("ca.crt"), &bench.path("both"), now()).is_ok());
}

#[test]
fn of_several_certificates_the_first_is_the_ca_and_the_file_stays_as_it_is() {
    let bench = bench();
    bench.key("root.key", "rsa-2048 pkcs1");
    bench.self_signed("root.crt", "root.key", "/CN=root", "ca");
    bench.issued("middle.crt", "ca.key", "ca", ("root.crt", "root.key"));
    let both = [&b"subject=CN = middle\n"[..], &bench.read("middle.crt"), &bench.read("root.crt")].concat();
    bench.write("chain.crt", &both);

    let issuer = Issuer::load(&bench.path("chain.crt"), &bench.path("ca.key"), now()).unwrap();

    assert_eq!(issuer.ca_pem().as_bytes(), both);
    let credential = issue(&issuer, "east", now(), &Profile::default()).unwrap();
    let leaf = credential.certificate_pem();
    let leaf = leaf.as_bytes();
    assert!(is_issued_by(leaf, &bench.read("middle.crt")));
    assert!(!is_issued_by(leaf, &bench.read("root.crt")));
}

#[test]
fn a_certificate_of_another_ca_with_the_same_name_is_recognised() {
    let bench = bench();
    bench.key("other.key", "p-256 pkcs8");
    bench.self_signed("namesake.crt", "other.key", "/CN=ca", "ca");
    bench.issued("router.crt", "other.key", "leaf", ("ca.crt", "ca.key"));
    bench.issued("other.crt", "other.key", "leaf", ("namesake.crt", "other.key"));

    for (file, issued) in [("ca.crt", true), ("router.crt", true), ("namesake.crt", false), ("other.crt", false)] {
        assert_eq!(is_issued_by(&bench.read(file), &bench.read("ca.crt")), issued, "{file}");
    }
}

proptest! {
    #[test]
    fn no_damage_to_a_certificate_or_its_key_panics(
        places in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let now = now();
        let ca = make_ca("ca", CaKeyType::EcdsaP256, now).unwrap();
        let damaged = |text: &str| {
            let block = pem::blocks(text.as_bytes()).unwrap().remove(0);
            let mut der = block.der.to_vec();
            for (index, byte) in &places {
                let at = index.index(der.len());
                der[at] = *byte;
            }
            pem::encode(block.label, &der)
        };
        let (certificate, key) = (damaged(&ca.certificate_pem), damaged(ca.key.expose()));
        let _ = Issuer::from_pem(certificate.as_bytes(), ca.key.expose().as_bytes(), now);
        let _ = Issuer::from_pem(ca.certificate_pem.as_bytes(), key.as_bytes(), now);
    }
}
