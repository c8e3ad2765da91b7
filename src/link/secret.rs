//! The Secret of a bundle: the key pair a router links with, and the certificates it trusts.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    document::{DocumentError, Field, Fields, Kind, invalid, parse_one},
    metadata::{Metadata, ResourceName, push_metadata},
};
use crate::grant::Namespace;

/// A private key as PEM text: redacted in `Debug`, zeroized when dropped, no comparison.
#[derive(Clone)]
pub struct KeyPem(Zeroizing<String>);

impl KeyPem {
    /// Takes a key's PEM text as it is.
    pub fn new(pem: Zeroizing<String>) -> Self {
        Self(pem)
    }

    /// The secret itself, for the file that must hold it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPem(redacted)")
    }
}

/// A Secret of type `kubernetes.io/tls`, with exactly the three keys that Skupper's routers read.
#[derive(Debug, Clone)]
pub struct TlsSecret {
    /// Its name, which Links give as their `tlsCredentials`.
    pub name: ResourceName,
    /// `ca.crt`: what the router at the other end is checked against.
    pub ca_pem: String,
    /// `tls.crt`: the client certificate.
    pub certificate_pem: String,
    /// `tls.key`: its private key.
    pub key: KeyPem,
}

#[derive(Deserialize)]
struct SecretDocument {
    metadata: Field<Metadata>,
    data: Field<Data>,
}

impl TlsSecret {
    /// Reads one Secret of at most [`MAX_DOCUMENT_BYTES`](super::MAX_DOCUMENT_BYTES), as YAML or JSON.
    /// Fields that this version does not know are ignored.
    ///
    /// # Errors
    /// [`DocumentError`], with the line and what was expected there, and never with the key.
    pub fn read(text: &str) -> Result<Self, DocumentError> {
        let (position, document) = parse_one::<SecretDocument>(text, SECRET)?;
        read_secret(document.metadata, document.data, None, Fields { position })
    }

    /// The document as a site without Kubernetes keeps it in `input/resources/Secret-NAME.yaml`
    /// (docs/protocol.md section 6.4).
    ///
    /// `namespace` is written only when the user named one.
    pub fn write(&self, namespace: Option<&Namespace>) -> Zeroizing<String> {
        let parts = SecretParts {
            name: self.name.as_str(),
            namespace,
            ca_pem: &self.ca_pem,
            certificate_pem: &self.certificate_pem,
            key: Some(self.key.expose()),
        };
        let mut yaml = String::with_capacity(parts.capacity());
        let capacity = yaml.capacity();
        parts.push(&mut yaml);
        debug_assert_eq!(yaml.capacity(), capacity, "a buffer that grows leaves a copy of the key behind");
        Zeroizing::new(yaml)
    }
}

/// The contents of a Secret document that is written.
pub(super) struct SecretParts<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: Option<&'a Namespace>,
    pub(super) ca_pem: &'a str,
    pub(super) certificate_pem: &'a str,
    pub(super) key: Option<&'a str>,
}

impl SecretParts<'_> {
    /// At least the bytes that [`push`](Self::push) appends: a buffer that grew would leave a copy of the key behind.
    pub(super) fn capacity(&self) -> usize {
        let encoded = |text: &str| text.len().div_ceil(3) * 4;
        encoded(self.ca_pem)
            + encoded(self.certificate_pem)
            + encoded(self.key.unwrap_or_default())
            + self.name.len()
            + Namespace::MAX_BYTES
            + 192
    }

    /// Appends the document: keys sorted as Skupper's own writer sorts them, every value from elsewhere in quotes.
    ///
    /// Base64, names and namespaces hold nothing that would need an escape.
    pub(super) fn push(&self, yaml: &mut String) {
        yaml.push_str("apiVersion: v1\ndata:\n");
        push_data(yaml, "ca.crt", self.ca_pem);
        push_data(yaml, "tls.crt", self.certificate_pem);
        if let Some(key) = self.key {
            push_data(yaml, "tls.key", key);
        }
        yaml.push_str("kind: Secret\n");
        push_metadata(yaml, self.name, self.namespace);
        yaml.push_str("type: kubernetes.io/tls\n");
    }
}

fn push_data(yaml: &mut String, key: &str, text: &str) {
    yaml.push_str("  ");
    yaml.push_str(key);
    yaml.push_str(": \"");
    STANDARD.encode_string(text, yaml);
    yaml.push_str("\"\n");
}

pub(super) const SECRET: Kind = Kind { api_version: "v1", kind: "Secret", title: "a Secret (v1)" };

#[derive(Deserialize)]
pub(super) struct Data {
    #[serde(rename = "ca.crt")]
    ca: Field<String>,
    #[serde(rename = "tls.crt")]
    certificate: Field<String>,
    #[serde(rename = "tls.key")]
    key: Field<String>,
}

/// Takes a Secret out of its document. One without a key gets the reader's own, if there is one.
pub(super) fn read_secret(
    metadata: Field<Metadata>,
    data: Field<Data>,
    own_key: Option<&KeyPem>,
    fields: Fields,
) -> Result<TlsSecret, DocumentError> {
    let name = Metadata::name(metadata, fields)?;
    let data = fields.need(data, "data", "the three texts ca.crt, tls.crt and tls.key in base64")?.value;
    let mut ca = decode(data.ca, "data.ca.crt", fields, is_certificate_pem)?;
    let mut certificate = decode(data.certificate, "data.tls.crt", fields, is_certificate_pem)?;
    let key = match (data.key, own_key) {
        // The sender does not know the key.
        (None, Some(own)) => own.clone(),
        (key, _) => KeyPem(decode(key, "data.tls.key", fields, is_key_pem)?),
    };
    Ok(TlsSecret { name, ca_pem: std::mem::take(&mut ca), certificate_pem: std::mem::take(&mut certificate), key })
}

fn decode(
    encoded: Field<String>,
    name: &str,
    fields: Fields,
    is_pem: fn(&str) -> bool,
) -> Result<Zeroizing<String>, DocumentError> {
    const EXPECTED: &str = "must be PEM text in base64";
    let mut encoded = fields.need(encoded, name, "PEM text in base64")?;
    // Base64 may be broken into lines.
    encoded.value.retain(|character| !character.is_ascii_whitespace());
    let decoded = STANDARD.decode(&encoded.value);
    encoded.value.zeroize();
    let text =
        decoded.ok().and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.into_bytes().zeroize()).ok());
    text.map(Zeroizing::new).filter(|text| is_pem(text)).ok_or_else(|| invalid(&encoded, name, EXPECTED))
}

/// Whether a text looks like certificates in PEM; what they certify is for others to check.
pub fn is_certificate_pem(text: &str) -> bool {
    text.contains("-----BEGIN CERTIFICATE-----") && text.contains("-----END CERTIFICATE-----")
}

fn is_key_pem(text: &str) -> bool {
    // PKCS#8, PKCS#1 and SEC1 differ in a word before these two.
    text.contains("-----BEGIN ") && text.contains("-----END ") && text.contains("PRIVATE KEY-----")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_of_a_secret_names_its_namespace_when_the_user_did() {
        let secret = TlsSecret {
            name: "no".parse().unwrap(),
            ca_pem: "a".to_owned(),
            certificate_pem: "b".to_owned(),
            key: KeyPem::new("c".to_owned().into()),
        };

        assert_eq!(
            *secret.write(Some(&"west".parse().unwrap())),
            "apiVersion: v1\ndata:\n  ca.crt: \"YQ==\"\n  tls.crt: \"Yg==\"\n  tls.key: \"Yw==\"\nkind: Secret\n\
             metadata:\n  name: \"no\"\n  namespace: \"west\"\ntype: kubernetes.io/tls\n"
        );
        assert!(!secret.write(None).contains("namespace"));
        assert_eq!(format!("{:?}", secret.key), "KeyPem(redacted)");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(apiVersion: v1\nkind: Secret\n)?.{0,80}") {
            let _ = TlsSecret::read(&text);
        }

        #[test]
        fn every_secret_is_read_back_as_it_was_written(
            name in "[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\\.[a-z0-9]{1,9}){0,3}",
            namespace in proptest::option::of("[a-z0-9]{1,63}"),
            key in "[ -~\n]{0,300}",
        ) {
            let certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned();
            let key = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n");
            let secret = TlsSecret {
                name: name.parse().unwrap(),
                ca_pem: certificate.clone(),
                certificate_pem: certificate,
                key: KeyPem::new(key.clone().into()),
            };
            let namespace = namespace.map(|namespace| namespace.parse::<Namespace>().unwrap());

            let yaml = secret.write(namespace.as_ref());
            let read = TlsSecret::read(&yaml).unwrap();

            prop_assert_eq!(read.name, secret.name);
            prop_assert_eq!(read.ca_pem, secret.ca_pem);
            prop_assert_eq!(read.key.expose(), &key);
        }
    }
}
