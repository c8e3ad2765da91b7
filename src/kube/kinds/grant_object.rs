//! An AccessGrant as callers see it (docs/protocol.md section 4.1).

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

/// The grant with its status, which is complete from its creation on: no client has to wait for the code or the URL.
pub(crate) fn object(app: &App, grant: &Grant) -> Value {
    let metadata = metadata(&grant.namespace, &grant.name, &grant.metadata);
    let mut metadata = metadata.stored(grant.id, grant.created_at, grant.revision);
    metadata["generation"] = grant.generation.into();

    json!({
        "apiVersion": SKUPPER.api_version(), "kind": ACCESS_GRANTS.kind,
        "metadata": metadata, "spec": AccessGrantSpec::of(grant).object(), "status": status(app, grant),
    })
}

/// A grant that does not exist, as a dry run shows it: no uid, no status, nothing that only a stored grant has.
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
