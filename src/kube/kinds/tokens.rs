//! AccessTokens: what a connecting site redeems (docs/protocol.md section 4.3).

use hyper::Uri;
use serde_json::{Map, Value, json};

use super::stored::{Body, Generation, StoredKind};
use crate::{
    app::App,
    grant::{Code, LinkName},
    kube::{
        catalog::{access_token::ACCESS_TOKENS, prune::prune},
        problem::{
            cause::Cause,
            faults::{Faults, object, text},
        },
    },
    link::is_certificate_pem,
    store::{ObjectKind, StoredObject},
};

/// The behaviour of AccessTokens; they are stored in this form.
pub(crate) static STORED: StoredKind = StoredKind {
    resource: &ACCESS_TOKENS,
    object: ObjectKind::AccessToken,
    // The Secret and the Links made from a token get its name.
    longest_name: LinkName::MAX_BYTES,
    generation: Generation::Shown,
    read_spec,
    keep: StoredKind::keep_nothing,
    check_change: StoredKind::change_anything,
    show,
};

/// No fault repeats a value: a user who confuses two fields may have written the code into the wrong one.
fn read_spec(faults: &mut Faults, members: &Map<String, Value>) -> Body {
    let spec = object(members, "spec");
    let mut refuse = |field: &str, why: &str| {
        faults.add(Cause::invalid_unshown(&format!("spec.{field}"), format!("Invalid value: {why}")));
    };
    if let Some(Err(why)) = text(spec, "url").map(check_url) {
        refuse("url", why);
    }
    if let Some(Err(error)) = text(spec, "code").map(str::parse::<Code>) {
        refuse("code", &error.to_string());
    }
    if text(spec, "ca").is_some_and(|ca| !is_certificate_pem(ca)) {
        refuse("ca", "must be PEM certificates ('-----BEGIN CERTIFICATE-----' ...)");
    }
    if let Some(Value::Number(cost)) = spec.get("linkCost")
        && cost.as_u64().and_then(|cost| u32::try_from(cost).ok()).is_none()
    {
        faults.add(Cause::invalid("spec.linkCost", cost, "must be a whole number, 0 or more"));
    }
    prune(ACCESS_TOKENS.fields, members)
}

/// Checks the URL. Skupper reports a wrong scheme only when it redeems; the message is Skupper's.
fn check_url(url: &str) -> Result<(), &'static str> {
    let uri: Uri = url.parse().map_err(|_| "must be the address to redeem the token at, 'https://...'")?;
    match (uri.scheme_str(), uri.host()) {
        // A column shows the URL to all readers, and no grant server needs credentials in it.
        (Some("https"), Some(_)) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err("must hold no user name and no password")
        }
        (Some("https"), Some(host)) if !host.is_empty() => Ok(()),
        (Some("https"), _) => Err("must be the address to redeem the token at, 'https://...'"),
        (_, _) => Err("token url scheme must be https"),
    }
}

/// The body of the token. Before the first attempt to redeem it, its status is pending, so that output templates have a
/// value to print.
fn show(_: &App, token: &StoredObject) -> Body {
    let mut body = token.content.body.clone();
    body.entry("status").or_insert_with(|| json!({"redeemed": false, "status": "Pending", "message": "Pending"}));
    body
}
