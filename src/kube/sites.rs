//! What can be done with Sites: look at them. They come from configuration.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    action::Action,
    conditions::{Condition, State},
    problem::Problem,
    query::ListOptions,
    reply::Reply,
    types::{SITES, SKUPPER},
};
use crate::{
    app::{App, ConfiguredSite},
    grant::Namespace,
    link::Endpoint,
    time::Timestamp,
};

/// Does what is wanted. `loaded_at` is when this server read its configuration.
pub(super) async fn perform(app: &App, loaded_at: Timestamp, action: Action) -> Result<Reply, Problem> {
    match action {
        Action::Get { namespace, name } => {
            let site = app.sites().of(&namespace).filter(|site| site.site().name.as_str() == name);
            let site = site.ok_or(Problem::NotFound { resource: &SITES, name })?;
            Ok(Reply::ok(object(site, loaded_at)))
        }
        Action::List { namespace, options } => list(app, loaded_at, namespace.as_ref(), &options).await,
        Action::Create { .. } | Action::Update { .. } | Action::Patch { .. } | Action::Delete { .. } => {
            Err(Problem::MethodNotAllowed { message: SITES.other_verbs, allow: "GET".to_owned() })
        }
    }
}

/// All of them in one page: there are as many as the configuration file names.
async fn list(
    app: &App,
    loaded_at: Timestamp,
    namespace: Option<&Namespace>,
    options: &ListOptions,
) -> Result<Reply, Problem> {
    if options.start.is_some() {
        return Err(Problem::BadRequest("continue key is not valid: sites come in one page".to_owned()));
    }
    // The whole store's revision: later than every site, and never in a watcher's future.
    let revision = app.revision().await.map_err(|error| Problem::from_store(&error))?;
    let items: Vec<Value> = app
        .sites()
        .iter()
        .filter(|site| namespace.is_none_or(|namespace| site.site().namespace == *namespace))
        .filter(|site| {
            let site = site.site();
            options.selector.selects(site.namespace.as_str(), site.name.as_str(), &BTreeMap::new())
        })
        .map(|site| object(site, loaded_at))
        .collect();
    Ok(Reply::list(&SITES, json!({"resourceVersion": revision.to_string()}), items))
}

fn object(configured: &ConfiguredSite, loaded_at: Timestamp) -> Value {
    let site = configured.site();
    let issuer = configured.default_issuer().as_str();
    let mut spec = json!({"defaultIssuer": issuer});
    if site.edge {
        spec["edge"] = true.into();
    }
    if !site.endpoints.is_empty() {
        // Skupper 2.0's `token issue` looks here instead of at status.endpoints (protocol.md 5.1).
        spec["linkAccess"] = "default".into();
    }
    // `Resolved` is about endpoints; a site that wants none has no such condition (protocol.md 4.5).
    let names: &[&str] = if site.endpoints.is_empty() {
        &["Configured", "Running", "Ready"]
    } else {
        &["Configured", "Running", "Resolved", "Ready"]
    };
    let conditions: Vec<Value> = names
        .iter()
        .map(|name| Condition { name, state: State::Ready, since: loaded_at }.to_json(GENERATION))
        .collect();
    json!({
        "apiVersion": SKUPPER.api_version(), "kind": SITES.kind,
        "metadata": {
            "name": site.name.as_str(), "namespace": site.namespace.as_str(), "uid": configured.uid().to_string(),
            "generation": GENERATION, "resourceVersion": "1",
        },
        "spec": spec,
        "status": {
            "status": State::Ready.status(), "message": State::Ready.message(), "defaultIssuer": issuer,
            "endpoints": site.endpoints.iter().map(endpoint).collect::<Vec<_>>(), "conditions": conditions,
        },
    })
}

/// A running server's configuration does not change, so its sites have one generation and one version.
const GENERATION: u64 = 1;

fn endpoint(endpoint: &Endpoint) -> Value {
    json!({
        "name": endpoint.name.as_str(), "host": endpoint.host.as_str(),
        "port": endpoint.port.to_string(), "group": endpoint.group.as_str(),
    })
}
