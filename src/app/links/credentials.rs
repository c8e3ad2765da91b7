//! The Secret of a Link as it is stored.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    link::{KeyPem, TlsSecret},
    store::StoredObject,
};

/// Why a router could not connect with a Secret. Never holds a value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::app) enum CredentialsFault {
    /// A key is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Its value is not text in base64.
    #[error("{0} is not PEM text in base64")]
    Encoding(&'static str),
    /// No block of the right kind, or one that is damaged.
    #[error("{0} is not {1} in PEM")]
    Pem(&'static str, &'static str),
}

/// What the Secret holds for a router. Whether key and certificates belong together is checked by the handshake.
///
/// # Errors
/// The first [`CredentialsFault`].
pub(in crate::app) fn read(secret: &StoredObject) -> Result<TlsSecret, CredentialsFault> {
    let data = secret.content.body.get("data").unwrap_or(&Value::Null);
    Ok(TlsSecret {
        name: secret.key.name.clone(),
        ca_pem: certificates(data, "ca.crt")?,
        certificate_pem: certificates(data, "tls.crt")?,
        key: KeyPem::new(pem(data, "tls.key", "a private key", |label| label.ends_with("PRIVATE KEY"))?),
    })
}

fn certificates(data: &Value, key: &'static str) -> Result<String, CredentialsFault> {
    pem(data, key, "a certificate", |label| label == "CERTIFICATE").map(|mut text| std::mem::take(&mut *text))
}

fn pem(
    data: &Value,
    key: &'static str,
    what: &'static str,
    wanted: fn(&str) -> bool,
) -> Result<Zeroizing<String>, CredentialsFault> {
    let encoded = data[key].as_str().filter(|text| !text.is_empty()).ok_or(CredentialsFault::Missing(key))?;
    let decoded = STANDARD.decode(encoded).map_err(|_| CredentialsFault::Encoding(key))?;
    let text = Zeroizing::new(String::from_utf8(decoded).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        CredentialsFault::Encoding(key)
    })?);
    if holds(&text, wanted) { Ok(text) } else { Err(CredentialsFault::Pem(key, what)) }
}

/// Whether the text has a wanted block (RFC 7468), and no damaged one of that kind.
fn holds(text: &str, wanted: fn(&str) -> bool) -> bool {
    let mut found = false;
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, after)) = after.split_once("-----") else { return false };
        let Some((body, after)) = after.split_once(&format!("-----END {label}-----")) else { return false };
        rest = after;
        if !wanted(label) {
            continue;
        }
        // Keys of older tools have headers, which base64 has not.
        let lines = body.lines().map(str::trim).filter(|line| !line.contains(':'));
        let body = Zeroizing::new(lines.collect::<String>());
        if body.is_empty() || STANDARD.decode(body.as_bytes()).map(Zeroizing::new).is_err() {
            return false;
        }
        found = true;
    }
    found
}
