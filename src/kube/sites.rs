//! What can be done with Sites: look at them. They come from configuration.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use super::{
    conditions::{Condition, State},
    fields::Faults,
    kind::{Created, Draft, Facts, Kind, Page, PageQuery, Removal, Replaced, Subject},
    manifest::Manifest,
    problem::Problem,
    query::Effect,
    types::{ResourceType, SITES, SKUPPER},
};
use crate::{
    app::{App, ConfiguredSite},
    grant::{GrantName, IssuerName, Namespace, Revision},
    link::{Endpoint, Site},
    store::{ChangeSubject, LastState},
};

/// The behaviour of Sites.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sites;

/// A site as it is shown.
#[derive(Debug, Clone)]
pub(super) struct SiteState {
    site: Site,
    default_issuer: IssuerName,
    uid: String,
    revision: Revision,
}

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

impl SiteState {
    fn of(app: &App, configured: &ConfiguredSite) -> Self {
        Self {
            site: configured.site().clone(),
            default_issuer: configured.default_issuer().clone(),
            uid: configured.uid().to_string(),
            revision: app.loaded_revision(),
        }
    }
}

impl Kind for Sites {
    type Name = GrantName;
    const LONGEST_NAME: usize = GrantName::MAX_BYTES;
    type State = SiteState;
    type Wanted = ();

    fn resource(self) -> &'static ResourceType {
        &SITES
    }

    fn wanted(self, _: &mut Faults, _: &Map<String, Value>) -> Option<()> {
        Some(())
    }

    fn facts(self, state: &SiteState) -> Facts<'_> {
        Facts {
            namespace: &state.site.namespace,
            name: state.site.name.as_str(),
            uid: state.uid.clone(),
            revision: state.revision,
            labels: &NO_LABELS,
        }
    }

    fn object(self, app: &App, state: &SiteState) -> Value {
        object(app, state)
    }

    async fn find(self, app: &App, namespace: &Namespace, name: &GrantName) -> Result<Option<SiteState>, Problem> {
        let site = app.sites().configured(namespace).filter(|site| site.site().name == *name);
        Ok(site.map(|site| SiteState::of(app, site)))
    }

    /// All of them in one page: there are as many as the configuration file names.
    async fn page(self, app: &App, query: PageQuery<GrantName>) -> Result<Page<SiteState, GrantName>, Problem> {
        // The whole store's revision: later than every site, and never in a watcher's future.
        let revision = app.revision().await.map_err(|error| Problem::from_store(&error))?;
        let wanted = |site: &&Arc<ConfiguredSite>| {
            let (site, PageQuery { namespace, after, .. }) = (site.site(), &query);
            let place = (&site.namespace, &site.name);
            namespace.as_ref().is_none_or(|namespace| site.namespace == *namespace)
                && after.as_ref().is_none_or(|(namespace, name)| place > (namespace, name))
        };
        let items = app.sites().iter().filter(wanted).map(|site| SiteState::of(app, site)).collect();
        Ok(Page { items, corrupt: Vec::new(), revision, next: None })
    }

    async fn create(self, _: &App, _: Draft<'_, Self>, _: Effect) -> Result<Created, Problem> {
        Err(read_only())
    }

    async fn replace(self, _: &App, _: SiteState, _: Manifest<Self>, _: Effect) -> Result<Replaced, Problem> {
        Err(read_only())
    }

    async fn remove(self, _: &App, _: &Namespace, _: &GrantName, _: Option<Revision>) -> Result<Removal, Problem> {
        Err(read_only())
    }

    fn subject(self, _: &ChangeSubject) -> Option<Subject<'_>> {
        None
    }

    fn last(self, _: &LastState) -> Option<SiteState> {
        None
    }
}

fn read_only() -> Problem {
    Problem::MethodNotAllowed { message: SITES.other_verbs, allow: "GET".to_owned() }
}

fn object(app: &App, state: &SiteState) -> Value {
    let SiteState { site, default_issuer, uid, revision } = state;
    let (issuer, loaded_at) = (default_issuer.as_str(), app.loaded_at());
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
            "name": site.name.as_str(), "namespace": site.namespace.as_str(), "uid": uid,
            "creationTimestamp": loaded_at.to_string(), "generation": GENERATION, "resourceVersion": revision.to_string(),
        },
        "spec": spec,
        "status": {
            "status": State::Ready.status(), "message": State::Ready.message(), "defaultIssuer": issuer,
            "endpoints": site.endpoints.iter().map(endpoint).collect::<Vec<_>>(), "conditions": conditions,
        },
    })
}

/// A running server's configuration does not change, so its sites have one generation.
const GENERATION: u64 = 1;

fn endpoint(endpoint: &Endpoint) -> Value {
    json!({
        "name": endpoint.name.as_str(), "host": endpoint.host.as_str(),
        "port": endpoint.port.to_string(), "group": endpoint.group.as_str(),
    })
}
