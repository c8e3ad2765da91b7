//! An AccessGrant as callers see it (protocol.md 4.1).

use serde_json::{Map, Value, json};

use super::{
    grants::{GrantWanted, metadata as attached},
    manifest::Manifest,
    metadata::Metadata,
    types::{ACCESS_GRANTS, SKUPPER},
};
use crate::{
    app::{App, ConditionState as State, GrantReadiness, SiteFault, condition},
    grant::{Code, CodeOrigin, Grant, GrantMetadata, GrantName, IssuerName, Namespace},
    time::Timestamp,
};

/// The grant with its status, whole from its creation on: nobody has to wait for the code or the URL.
pub(super) fn object(app: &App, grant: &Grant) -> Value {
    let metadata = metadata(&grant.namespace, &grant.name, &grant.metadata);
    let mut metadata = metadata.stored(grant.id, grant.created_at, grant.revision);
    metadata["generation"] = grant.generation.into();

    let given_code = match grant.code_origin {
        CodeOrigin::Given => Some(grant.code.expose()),
        CodeOrigin::Generated => None,
    };
    let spec = spec(
        grant.allowance.allowed(),
        &grant.window.to_string(),
        given_code,
        grant.issuer.as_ref().map(IssuerName::as_str),
        &grant.metadata,
    );
    json!({
        "apiVersion": SKUPPER.api_version(), "kind": ACCESS_GRANTS.kind,
        "metadata": metadata, "spec": spec, "status": status(app, grant),
    })
}

/// A grant that does not exist, as a dry run shows it: no uid, no status, nothing that only a stored grant has.
pub(super) fn unstored(namespace: &Namespace, name: &GrantName, manifest: &Manifest<GrantName, GrantWanted>) -> Value {
    let wanted = &manifest.wanted.spec;
    let attached = attached(manifest);
    let spec = spec(
        wanted.allowed,
        &wanted.window.to_string(),
        wanted.code.as_ref().map(Code::expose),
        wanted.issuer.as_ref().map(IssuerName::as_str),
        &attached,
    );
    json!({
        "apiVersion": SKUPPER.api_version(), "kind": ACCESS_GRANTS.kind,
        "metadata": metadata(namespace, name, &attached).unstored(), "spec": spec,
    })
}

fn metadata<'a>(namespace: &'a Namespace, name: &'a GrantName, attached: &'a GrantMetadata) -> Metadata<'a> {
    let GrantMetadata { labels, annotations, .. } = attached;
    Metadata { namespace, name: name.as_str(), labels, annotations }
}

fn spec(allowed: u32, window: &str, code: Option<&str>, issuer: Option<&str>, attached: &GrantMetadata) -> Value {
    let mut spec = Map::new();
    spec.insert("redemptionsAllowed".to_owned(), allowed.into());
    spec.insert("expirationWindow".to_owned(), window.into());
    if let Some(code) = code {
        spec.insert("code".to_owned(), code.into());
    }
    if let Some(issuer) = issuer {
        spec.insert("issuer".to_owned(), issuer.into());
    }
    if !attached.settings.is_empty() {
        spec.insert("settings".to_owned(), json!(attached.settings));
    }
    Value::Object(spec)
}

fn status(app: &App, grant: &Grant) -> Value {
    let conditions = conditions(app, grant);
    let [_, _, (_, ready, _)] = &conditions;
    let conditions = conditions.each_ref().map(|(name, state, since)| condition(name, state, grant.generation, *since));
    json!({
        "url": app.publication().grant_url(grant.id),
        "code": grant.code.expose(),
        "ca": app.publication().serving().ca_pem(),
        "redemptions": grant.allowance.made(),
        "expirationTime": grant.expires_at.to_string(),
        "status": ready.sum(),
        "message": ready.message(),
        "conditions": conditions,
    })
}

/// `Processed`: can the spec be honoured; `Resolved`: does it lead anywhere; `Ready`: can it be redeemed now.
///
/// `Ready` is the first of the others that fails, as in Skupper, and then the grant's own state.
fn conditions(app: &App, grant: &Grant) -> [(&'static str, State, Timestamp); 3] {
    let readiness = app.grant_readiness(grant);
    let (processed, resolved, ready) = match &readiness {
        GrantReadiness::Ready => (State::Ready, State::Ready, State::Ready),
        GrantReadiness::Expired => (State::Ready, State::Ready, State::Over("Expired")),
        GrantReadiness::Exhausted => (State::Ready, State::Ready, State::Over("Exhausted")),
        GrantReadiness::Site(fault) => {
            let failed = State::Error(fault.to_string());
            match fault {
                SiteFault::Edge | SiteFault::NoIssuer => (failed.clone(), State::Ready, failed),
                SiteFault::NotDefined { .. } | SiteFault::NoEndpoints => (State::Ready, failed.clone(), failed),
            }
        }
    };
    let since = app.readiness_since(grant, &readiness);
    [("Processed", processed, grant.created_at), ("Resolved", resolved, grant.created_at), ("Ready", ready, since)]
}
