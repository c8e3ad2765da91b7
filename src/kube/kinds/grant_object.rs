//! AccessGrants as callers see them (docs/protocol.md section 4.1).

use serde_json::{Value, json};

use super::grant_spec::{AccessGrantSpec, attached};
use crate::{
    app::{App, ConditionState as State, GrantReadiness, SiteFault, condition},
    grant::{Grant, GrantMetadata, GrantName, Namespace},
    kube::{
        catalog::{access_grant::ACCESS_GRANTS, resource_type::SKUPPER},
        engine::{manifest::Manifest, object_meta::Metadata},
    },
    time::Timestamp,
};

/// The grant with its status. The status is complete from the start: no client has to wait for the code or the URL.
pub(crate) fn object(app: &App, grant: &Grant) -> Value {
    let metadata = metadata(&grant.namespace, &grant.name, &grant.metadata);
    let mut metadata = metadata.stored(grant.id, grant.created_at, grant.revision);
    metadata["generation"] = grant.generation.into();

    json!({
        "apiVersion": SKUPPER.api_version(), "kind": ACCESS_GRANTS.kind,
        "metadata": metadata, "spec": AccessGrantSpec::of(grant).object(), "status": status(app, grant),
    })
}

/// The grant in the answer to a dry run: without uid, status, and everything else that only a stored grant has.
pub(crate) fn unstored(
    namespace: &Namespace,
    name: &GrantName,
    manifest: &Manifest<GrantName, AccessGrantSpec>,
) -> Value {
    let attached = attached(manifest);
    json!({
        "apiVersion": SKUPPER.api_version(), "kind": ACCESS_GRANTS.kind,
        "metadata": metadata(namespace, name, &attached).unstored(), "spec": manifest.spec.object(),
    })
}

fn metadata<'a>(namespace: &'a Namespace, name: &'a GrantName, attached: &'a GrantMetadata) -> Metadata<'a> {
    let GrantMetadata { labels, annotations, .. } = attached;
    Metadata { namespace, name: name.as_str(), labels, annotations }
}

fn status(app: &App, grant: &Grant) -> Value {
    let conditions = conditions(app, grant);
    let [_, _, (_, ready, _)] = &conditions;
    let conditions = conditions.each_ref().map(|(name, state, since)| condition(name, state, grant.generation, *since));
    json!({
        "url": app.publication().grant_url(grant.id),
        "code": grant.code.expose(),
        "ca": &*app.publication().ca_pem(),
        "redemptions": grant.allowance.made(),
        "expirationTime": grant.expires_at.to_string(),
        "status": ready.sum(),
        "message": ready.message(),
        "conditions": conditions,
    })
}

/// The conditions. `Processed`: the spec can be fulfilled; `Resolved`: the site has endpoints; `Ready`: the grant can be
/// redeemed now.
///
/// As in Skupper, `Ready` repeats the first other condition that is false; if none is, it shows the grant's own state.
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
