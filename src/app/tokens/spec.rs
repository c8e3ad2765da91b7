//! The spec of an AccessToken as it is stored.

use serde_json::Value;

use crate::{
    grant::{Code, CodeError, NameError},
    link::{AccessToken, CERTIFICATE_REQUEST},
    store::StoredObject,
};

/// Why a spec is not a token. Never holds a value of the spec.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::app) enum SpecFault {
    /// No certificate to trust; the text is Skupper's (docs/protocol.md section 1.5).
    #[error("token does not have a CA")]
    NoCa,
    /// A field that is not a text, or an empty one.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The code has an invalid form.
    #[error("spec.code {0}")]
    Code(CodeError),
    /// The name is too long for numbered Links.
    #[error("metadata.name {0}")]
    Name(NameError),
}

/// Reads the token.
///
/// # Errors
/// The first [`SpecFault`].
pub(in crate::app) fn read(stored: &StoredObject) -> Result<AccessToken, SpecFault> {
    let spec = stored.content.body.get("spec").unwrap_or(&Value::Null);
    let text = |field: &str| spec[field].as_str().filter(|text| !text.is_empty());
    Ok(AccessToken {
        name: stored.key.name.as_str().parse().map_err(SpecFault::Name)?,
        ca: text("ca").ok_or(SpecFault::NoCa)?.to_owned(),
        url: text("url").ok_or(SpecFault::Missing("spec.url"))?.to_owned(),
        code: text("code").ok_or(SpecFault::Missing("spec.code"))?.parse::<Code>().map_err(SpecFault::Code)?,
        takes_certificate_requests: spec["settings"][CERTIFICATE_REQUEST.0] == CERTIFICATE_REQUEST.1,
        // 0 means the default. An invalid cost is read as the default too: it is no reason to refuse the token.
        link_cost: spec["linkCost"].as_u64().and_then(|cost| u32::try_from(cost).ok()).filter(|cost| *cost > 0),
    })
}

/// The host and port of a URL, or an empty text.
pub(super) fn host(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or_default()
}
