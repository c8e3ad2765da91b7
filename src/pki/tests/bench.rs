//! A scratch directory in which the real `openssl` works.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use crate::file::{self, Access, Existing};

/// A directory that is removed when the test ends.
pub(super) struct Bench(PathBuf);

/// The sections that certificates made here can have.
const EXTENSIONS: &str = "\
[req]\ndistinguished_name = name\nstring_mask = ${ENV::STRING_MASK}\n[name]\n\
[ca]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\nsubjectKeyIdentifier = hash\n\
[ca_without_ski]\nbasicConstraints = critical,CA:TRUE\nsubjectKeyIdentifier = none\nauthorityKeyIdentifier = none\n\
[ca_bare]\nbasicConstraints = CA:TRUE\n\
[ca_without_cert_sign]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,digitalSignature\n\
[ca_for_servers]\nbasicConstraints = critical,CA:TRUE\nextendedKeyUsage = serverAuth\n\
[ca_for_anything]\nbasicConstraints = critical,CA:TRUE\nextendedKeyUsage = anyExtendedKeyUsage\n\
[ca_as_skupper]\nbasicConstraints = critical,CA:TRUE\n\
keyUsage = critical,digitalSignature,keyEncipherment,keyCertSign\nextendedKeyUsage = serverAuth,clientAuth\n\
[leaf]\nbasicConstraints = critical,CA:FALSE\nextendedKeyUsage = serverAuth\n\
subjectAltName = DNS:West.example.com,DNS:*.apps.example.com,IP:127.0.0.1,IP:::1\n\
[leaf_without_eku]\nsubjectAltName = DNS:west.example.com\n\
[leaf_for_clients]\nextendedKeyUsage = clientAuth\nsubjectAltName = DNS:west.example.com\n\
[leaf_without_san]\nbasicConstraints = critical,CA:FALSE\n\
[leaf_with_mail]\nsubjectAltName = email:a@example.com\n";

impl Bench {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("grantd-pki-{}", uuid::Uuid::new_v4()));
        file::create_private_directory(&path).unwrap();
        fs::write(path.join("openssl.cnf"), EXTENSIONS).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        file::write(&self.path(name), contents.as_ref(), Access::Private, Existing::Replace).unwrap();
        self.path(name)
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Runs `openssl` with these words, which must succeed within a minute.
    pub(super) fn openssl(&self, words: &str) {
        let output = self.try_openssl(&words.split_whitespace().collect::<Vec<_>>(), "utf8only");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {words}: {error}");
    }

    fn try_openssl(&self, words: &[&str], string_mask: &str) -> Output {
        Command::new("timeout")
            .args(["60", "openssl"])
            .args(words)
            .current_dir(&self.0)
            .env("STRING_MASK", string_mask)
            .output()
            .expect("these tests need coreutils and openssl")
    }

    /// Makes the key file `name`.
    pub(super) fn key(&self, name: &str, kind: &str) {
        let command = match kind {
            "rsa-1024" => "genrsa -traditional -out NAME 1024",
            "rsa-2048 pkcs1" => "genrsa -traditional -out NAME 2048",
            "rsa-2048 pkcs8" => "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out NAME",
            "rsa-3072 pkcs1" => "genrsa -traditional -out NAME 3072",
            "rsa-3072 pkcs8" => "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out NAME",
            "rsa-4096 pkcs1" => "genrsa -traditional -out NAME 4096",
            "rsa-4096 pkcs8" => "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out NAME",
            "rsa-pss" => "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out NAME",
            "p-256 sec1" => "ecparam -name prime256v1 -genkey -out NAME",
            "p-256 pkcs8" => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out NAME",
            "p-384 sec1" => "ecparam -name secp384r1 -genkey -out NAME",
            "p-384 pkcs8" => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out NAME",
            "p-521" => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out NAME",
            "secp256k1" => "ecparam -name secp256k1 -genkey -out NAME",
            "ed25519" => "genpkey -algorithm ED25519 -out NAME",
            other => panic!("no such kind of key: {other}"),
        };
        self.openssl(&command.replace("NAME", name));
    }

    /// Makes the self-signed certificate `name` for a key, with the extensions of a section.
    pub(super) fn self_signed(&self, name: &str, key: &str, subject: &str, section: &str) {
        self.self_signed_with(name, key, subject, section, "utf8only");
    }

    /// As [`self_signed`](Self::self_signed), with `string_mask` choosing the type of the name's strings.
    pub(super) fn self_signed_with(&self, name: &str, key: &str, subject: &str, section: &str, string_mask: &str) {
        let start = "req -x509 -new -sha256 -days 30 -utf8 -multivalue-rdn -config openssl.cnf";
        let mut words: Vec<_> = start.split(' ').collect();
        words.extend(["-extensions", section, "-subj", subject, "-key", key, "-out", name]);
        let output = self.try_openssl(&words, string_mask);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes the certificate `name` for a key, issued by a CA.
    pub(super) fn issued(&self, name: &str, key: &str, section: &str, (ca, ca_key): (&str, &str)) {
        let common_name = name.replace('.', "-");
        self.openssl(&format!("req -new -config openssl.cnf -key {key} -subj /CN={common_name} -out request.pem"));
        self.openssl(&format!(
            "x509 -req -in request.pem -CA {ca} -CAkey {ca_key} -CAcreateserial -days 20 -extfile openssl.cnf -extensions {section} -out {name}"
        ));
    }

    /// Whether `openssl verify` accepts the certificate as a TLS client's under that CA.
    pub(super) fn accepts_client(&self, ca: &str, certificate: &str) -> Result<(), String> {
        self.verify(&format!("verify -purpose sslclient -CAfile {ca} {certificate}"))
    }

    /// The same with every further check of RFC 5280 that openssl knows.
    pub(super) fn strictly_accepts_client(&self, ca: &str, certificate: &str) -> Result<(), String> {
        self.verify(&format!("verify -x509_strict -check_ss_sig -purpose sslclient -CAfile {ca} {certificate}"))
    }

    /// The same for a TLS server.
    pub(super) fn strictly_accepts_server(&self, ca: &str, certificate: &str) -> Result<(), String> {
        self.verify(&format!("verify -x509_strict -check_ss_sig -purpose sslserver -CAfile {ca} {certificate}"))
    }

    fn verify(&self, words: &str) -> Result<(), String> {
        let output = self.try_openssl(&words.split(' ').collect::<Vec<_>>(), "utf8only");
        match output.status.code() {
            Some(0) => Ok(()),
            Some(2) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            other => panic!("openssl {words} ended with {other:?}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
