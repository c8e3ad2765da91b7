//! Sites as callers see them (docs/protocol.md section 4.5).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    app::{App, ConditionState as State, ConfiguredSite, SiteFault, condition, wants_link_access},
    grant::Revision,
    kube::{
        catalog::{resource_type::SKUPPER, site::SITES},
        engine::object_meta::Metadata,
    },
    store::StoredObject,
    time::Timestamp,
};

/// The labels and annotations of configured sites, of which there are none.
pub(crate) static NOTHING: BTreeMap<String, String> = BTreeMap::new();

/// The generation of configured sites: what a change of the configuration makes of one is a site of its own.
const GENERATION: u64 = 1;

/// A site of the configuration.
pub(crate) fn configured(app: &App, configured: &ConfiguredSite, revision: Revision) -> Value {
    let (site, loaded_at) = (configured.site(), app.loaded_at());
    let mut spec = json!({"defaultIssuer": configured.default_issuer().as_str()});
    if site.edge {
        spec["edge"] = true.into();
    }
    if !site.endpoints.is_empty() {
        // Skupper 2.0's `token issue` looks here instead of at status.endpoints (docs/protocol.md section 5.1).
        spec["linkAccess"] = "default".into();
    }
    let resolved = (!site.endpoints.is_empty()).then_some(State::Ready);
    let (namespace, name) = (&site.namespace, site.name.as_str());
    let metadata = Metadata { namespace, name, labels: &NOTHING, annotations: &NOTHING };
    let mut metadata = metadata.stored(configured.uid(), loaded_at, revision);
    metadata["generation"] = GENERATION.into();
    json!({
        "apiVersion": SKUPPER.api_version(), "kind": SITES.kind, "metadata": metadata, "spec": spec,
        "status": status(Some(configured), State::Ready, resolved, GENERATION, loaded_at),
    })
}

/// The status of a site that was created through this API.
pub(crate) fn applied_status(app: &App, object: &StoredObject) -> Value {
    let namespace = &object.key.namespace;
    let serving = app.sites().of(namespace);
    let own = serving.as_deref().filter(|site| site.site().name.as_str() == object.key.name.as_str());
    let Some(site) = own else {
        let why = match &serving {
            Some(other) => {
                format!("namespace {namespace} has the site {} of the server's configuration", other.site().name)
            }
            None => "this server has no site configured whose endpoints could be used".to_owned(),
        };
        return status(None, State::Error(why), None, object.generation, object.created_at);
    };
    let processed = match site.issuer(None) {
        Some(_) => State::Ready,
        None => State::Error(SiteFault::NoIssuer.to_string()),
    };
    let resolved = wants_link_access(&object.content.body).then(|| {
        if site.site().endpoints.is_empty() { State::Error(SiteFault::NoEndpoints.to_string()) } else { State::Ready }
    });
    status(Some(site), processed, resolved, object.generation, object.created_at)
}

/// The conditions. `Resolved` is about endpoints; a site without any has no such condition (docs/protocol.md section 4.5).
fn status(
    site: Option<&ConfiguredSite>,
    processed: State,
    resolved: Option<State>,
    generation: u64,
    since: Timestamp,
) -> Value {
    let mut conditions = vec![("Configured", processed.clone()), ("Running", processed)];
    conditions.extend(resolved.map(|resolved| ("Resolved", resolved)));
    let faulty = conditions.iter().find(|(_, state)| *state != State::Ready);
    let ready = faulty.map_or(State::Ready, |(_, state)| state.clone());
    let (word, message) = (ready.sum(), ready.message().to_owned());
    conditions.push(("Ready", ready));
    let conditions: Vec<Value> =
        conditions.iter().map(|(name, state)| condition(name, state, generation, since)).collect();
    let mut status = json!({"status": word, "message": message, "conditions": conditions});
    if let Some(site) = site {
        status["defaultIssuer"] = site.default_issuer().as_str().into();
        status["endpoints"] = json!(site.site().endpoints);
    }
    status
}
