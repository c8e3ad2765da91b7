//! Sites: the configured ones, which are read-only, and those created through this API, which use the endpoints and issuers
//! of a configured one.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    site_object,
    stored::{Body, Generation, Stored, StoredKind},
};
use crate::{
    app::{App, ConfiguredSite},
    grant::{GrantName, Namespace, Revision},
    kube::{
        catalog::{prune::prune, resource_type::ResourceType, site::SITES},
        engine::{
            kind::{Created, Draft, Kind, Page, PageQuery, Removal, Replaced, Subject},
            manifest::Manifest,
            object_meta::ObjectMeta,
            options::Effect,
        },
        problem::{faults::Faults, status::Problem},
    },
    link::ResourceName,
    store::{ChangeSubject, LastState, ObjectKind, StoredObject},
};

/// The behaviour of Sites that are created through this API and stored.
pub(crate) static APPLIED: StoredKind = StoredKind {
    resource: &SITES,
    object: ObjectKind::Site,
    longest_name: GrantName::MAX_BYTES,
    generation: Generation::Shown,
    read_spec,
    keep: StoredKind::keep_nothing,
    check_change: StoredKind::change_anything,
    show,
};

fn read_spec(_: &mut Faults, members: &Map<String, Value>) -> Body {
    prune(SITES.fields, members)
}

fn show(app: &App, site: &StoredObject) -> Body {
    let mut body = site.content.body.clone();
    body.insert("status".to_owned(), site_object::applied_status(app, site));
    body
}

/// The behaviour of Sites.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sites;

/// A site of either origin.
#[derive(Debug, Clone)]
pub(crate) enum SiteState {
    /// A site of the configuration.
    Configured(Arc<ConfiguredSite>, Revision),
    /// A site that was created through this API.
    Applied(Box<StoredObject>),
}

const APPLIED_SITES: Stored = Stored(&APPLIED);

impl SiteState {
    fn configured(app: &App, site: &Arc<ConfiguredSite>) -> Self {
        Self::Configured(Arc::clone(site), app.loaded_revision())
    }

    fn key(&self) -> (&Namespace, &str) {
        match self {
            Self::Configured(site, _) => (&site.site().namespace, site.site().name.as_str()),
            Self::Applied(object) => (&object.key.namespace, object.key.name.as_str()),
        }
    }
}

/// Whether the site is in a list of this namespace, or of all, that continues after this position.
fn is_within(site: &SiteState, namespace: Option<&Namespace>, after: Option<&(Namespace, ResourceName)>) -> bool {
    let key = site.key();
    namespace.is_none_or(|namespace| key.0 == namespace)
        && after.is_none_or(|(namespace, name)| key > (namespace, name.as_str()))
}

impl Kind for Sites {
    type Name = ResourceName;
    type State = SiteState;
    type Spec = Body;

    fn resource(self) -> &'static ResourceType {
        &SITES
    }

    fn longest_name(self) -> usize {
        APPLIED_SITES.longest_name()
    }

    fn spec(self, faults: &mut Faults, members: &Map<String, Value>) -> Option<Body> {
        APPLIED_SITES.spec(faults, members)
    }

    fn meta(self, state: &SiteState) -> ObjectMeta<'_> {
        match state {
            SiteState::Configured(site, revision) => ObjectMeta {
                namespace: &site.site().namespace,
                name: site.site().name.as_str(),
                uid: site.uid().to_string(),
                revision: *revision,
                labels: &site_object::NOTHING,
                members: None,
            },
            SiteState::Applied(object) => APPLIED_SITES.meta(object),
        }
    }

    fn object(self, app: &App, state: &SiteState) -> Value {
        match state {
            SiteState::Configured(site, revision) => site_object::configured(app, site, *revision),
            SiteState::Applied(object) => APPLIED_SITES.object(app, object),
        }
    }

    async fn find(self, app: &App, namespace: &Namespace, name: &ResourceName) -> Result<Option<SiteState>, Problem> {
        let configured = app.sites().configured(namespace).filter(|site| site.site().name.as_str() == name.as_str());
        if let Some(site) = configured {
            return Ok(Some(SiteState::configured(app, &site)));
        }
        let applied = APPLIED_SITES.find(app, namespace, name).await?;
        Ok(applied.map(|object| SiteState::Applied(Box::new(object))))
    }

    /// A page of the store, with the configured sites that belong between its objects. There are few configured sites.
    async fn page(self, app: &App, query: PageQuery<ResourceName>) -> Result<Page<SiteState, ResourceName>, Problem> {
        let (namespace, after) = (query.namespace.clone(), query.after.clone());
        let Page { items, corrupt, revision, next } = APPLIED_SITES.page(app, query).await?;
        let within = |site: &SiteState| {
            is_within(site, namespace.as_ref(), after.as_ref())
                && next.as_ref().is_none_or(|(namespace, name)| site.key() <= (namespace, name.as_str()))
        };
        let configured = app.sites().all_configured();
        let configured = configured.iter().map(|site| SiteState::configured(app, site)).filter(within);
        // A configured site sorts before one of the same name that was created here, and hides it.
        let mut sites: Vec<SiteState> =
            configured.chain(items.into_iter().map(|object| SiteState::Applied(Box::new(object)))).collect();
        sites.sort_by(|one, other| one.key().cmp(&other.key()));
        sites.dedup_by(|later, first| later.key() == first.key());
        Ok(Page { items: sites, corrupt, revision, next })
    }

    async fn count(self, app: &App, query: PageQuery<ResourceName>) -> Result<u32, Problem> {
        let configured = app.sites().all_configured();
        let configured = configured.iter().map(|site| SiteState::configured(app, site));
        let configured =
            configured.filter(|site| is_within(site, query.namespace.as_ref(), query.after.as_ref())).count();
        let made = APPLIED_SITES.count(app, query).await?;
        // A created site that a configured one hides is counted too: clients use the number as an estimate.
        Ok(made.saturating_add(u32::try_from(configured).unwrap_or(u32::MAX)))
    }

    async fn create(self, app: &App, draft: Draft<'_, ResourceName, Body>, effect: Effect) -> Result<Created, Problem> {
        APPLIED_SITES.create(app, draft, effect).await
    }

    async fn replace(
        self,
        app: &App,
        current: SiteState,
        manifest: Manifest<ResourceName, Body>,
        effect: Effect,
    ) -> Result<Replaced, Problem> {
        match current {
            SiteState::Configured(site, _) => Err(read_only(site.site().name.as_str())),
            SiteState::Applied(object) => APPLIED_SITES.replace(app, *object, manifest, effect).await,
        }
    }

    fn check_removal(self, state: &SiteState) -> Result<(), Problem> {
        match state {
            SiteState::Configured(site, _) => Err(read_only(site.site().name.as_str())),
            SiteState::Applied(_) => Ok(()),
        }
    }

    async fn remove(
        self,
        app: &App,
        namespace: &Namespace,
        name: &ResourceName,
        expected: Option<Revision>,
    ) -> Result<Removal, Problem> {
        if let Some(state) = self.find(app, namespace, name).await? {
            self.check_removal(&state)?;
        }
        APPLIED_SITES.remove(app, namespace, name, expected).await
    }

    fn subject(self, subject: &ChangeSubject) -> Option<Subject<'_>> {
        APPLIED_SITES.subject(subject)
    }

    fn last(self, last: &LastState) -> Option<SiteState> {
        APPLIED_SITES.last(last).map(|object| SiteState::Applied(Box::new(object)))
    }
}

fn read_only(name: &str) -> Problem {
    let why = "it comes from the server's configuration and cannot be changed here".to_owned();
    Problem::NotPermitted { group: SITES.group_version.group, resource: SITES.plural, name: name.to_owned(), why }
}
