//! AccessGrants: reading, creating and changing them.

use serde_json::{Map, Value};

use super::{
    grant_object,
    grant_spec::{AccessGrantSpec, attached, read_spec},
};
use crate::{
    app::{App, CreateGrantError, GrantDraft, GrantSpec, SpecError, UpdateGrantError},
    grant::{Code, Grant, GrantName, Namespace, Revision},
    kube::{
        catalog::{access_grant::ACCESS_GRANTS, resource_type::ResourceType},
        engine::{
            kind::{Created, Draft, Kind, Page, PageQuery, Removal, Replaced, Subject},
            manifest::Manifest,
            object_meta::ObjectMeta,
            options::Effect,
        },
        problem::{
            cause::Cause,
            faults::{Faults, FieldValidation, object},
            status::Problem,
        },
    },
    store::{ChangeSubject, GrantPage, GrantQuery, LastState, PageLimit, UpdateError},
};

/// The warning about a code that is taken all the same. Its length, and the code, are nobody's business.
const SHORT_CODE: &str = "spec.code: a code of fewer than 16 characters is easy to guess; without spec.code the server makes \
                          one of 24";

/// The behaviour of AccessGrants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessGrants;

impl Kind for AccessGrants {
    type Name = GrantName;
    type State = Grant;
    type Spec = AccessGrantSpec;

    fn resource(self) -> &'static ResourceType {
        &ACCESS_GRANTS
    }

    fn longest_name(self) -> usize {
        GrantName::MAX_BYTES
    }

    fn spec(self, faults: &mut Faults, members: &Map<String, Value>) -> Option<AccessGrantSpec> {
        read_spec(faults, object(members, "spec"))
    }

    fn manifest(
        self,
        written: &Value,
        validation: FieldValidation,
    ) -> Result<Manifest<GrantName, AccessGrantSpec>, Problem> {
        let read = |faults: &mut Faults, members: &Map<String, Value>| self.spec(faults, members);
        let mut manifest = Manifest::read(&ACCESS_GRANTS, self.longest_name(), written, validation, read)?;
        if manifest.spec.grant.code.as_ref().is_some_and(Code::is_short) {
            manifest.warnings.push(SHORT_CODE.to_owned());
        }
        Ok(manifest)
    }

    fn meta(self, grant: &Grant) -> ObjectMeta<'_> {
        ObjectMeta {
            namespace: &grant.namespace,
            name: grant.name.as_str(),
            uid: grant.id.to_string(),
            revision: grant.revision,
            labels: &grant.metadata.labels,
            members: None,
        }
    }

    fn object(self, app: &App, grant: &Grant) -> Value {
        grant_object::object(app, grant)
    }

    async fn find(self, app: &App, namespace: &Namespace, name: &GrantName) -> Result<Option<Grant>, Problem> {
        let found = app.find_grant(namespace.clone(), name.clone()).await;
        found.map_err(|error| Problem::from_store(&error))
    }

    async fn page(self, app: &App, query: PageQuery<GrantName>) -> Result<Page<Grant, GrantName>, Problem> {
        let PageQuery { namespace, after, limit } = query;
        let page = app.list_grants(GrantQuery { namespace, after, limit: PageLimit::at_most(limit) }).await;
        let GrantPage { grants, corrupt, revision, next } = page.map_err(|error| Problem::from_store(&error))?;
        Ok(Page { items: grants, corrupt, revision, next })
    }

    async fn count(self, app: &App, query: PageQuery<GrantName>) -> Result<u32, Problem> {
        let PageQuery { namespace, after, limit } = query;
        let count = app.count_listed_grants(GrantQuery { namespace, after, limit: PageLimit::at_most(limit) }).await;
        count.map_err(|error| Problem::from_store(&error))
    }

    async fn create(
        self,
        app: &App,
        draft: Draft<'_, GrantName, AccessGrantSpec>,
        effect: Effect,
    ) -> Result<Created, Problem> {
        let Draft { namespace, name, manifest } = draft;
        let AccessGrantSpec { grant: spec, .. } = &manifest.spec;
        let wanted = GrantDraft {
            namespace: namespace.clone(),
            name: name.clone(),
            spec: spec.clone(),
            metadata: attached(manifest),
        };
        match effect {
            Effect::DryRun => {
                app.check_draft(wanted).await.or_else(|error| not_created(name, error, spec).map(drop))?;
                let there = self.find(app, namespace, name).await?;
                Ok(there.map_or_else(
                    || Created::Done(grant_object::unstored(namespace, name, manifest)),
                    |_| Created::NameTaken,
                ))
            }
            Effect::Lasting => match app.create_grant(wanted).await {
                Ok(grant) => Ok(Created::Done(self.object(app, &grant))),
                Err(error) => not_created(name, error, spec),
            },
        }
    }

    async fn replace(
        self,
        app: &App,
        current: Grant,
        manifest: Manifest<GrantName, AccessGrantSpec>,
        effect: Effect,
    ) -> Result<Replaced, Problem> {
        let mut warnings = Vec::new();
        let spec = manifest.spec.grant.clone();
        if spec.terms.window != current.terms.window {
            let end = current.expires_at;
            warnings.push(format!(
                "spec.expirationWindow counts from a grant's creation only; this one still expires at {end}"
            ));
        }
        let (name, metadata) = (current.name.clone(), attached(&manifest));
        let changed = match effect {
            Effect::DryRun => app.preview_update(current, spec.clone(), metadata).await,
            Effect::Lasting => app.update_grant(current, spec.clone(), metadata).await,
        };
        match changed {
            Ok(grant) => Ok(Replaced::Done { object: self.object(app, &grant), warnings }),
            Err(UpdateGrantError::Conflict) => Ok(Replaced::Stale),
            Err(UpdateGrantError::Gone) => Ok(Replaced::Gone),
            Err(UpdateGrantError::Quota(exceeded)) => Err(Problem::over_quota(&ACCESS_GRANTS, name.as_str(), exceeded)),
            Err(UpdateGrantError::Spec(error)) => Err(invalid(&name, error, &spec)),
            Err(UpdateGrantError::Store(error)) => Err(Problem::from_store(&error)),
        }
    }

    async fn remove(
        self,
        app: &App,
        namespace: &Namespace,
        name: &GrantName,
        expected: Option<Revision>,
    ) -> Result<Removal, Problem> {
        match app.delete_grant(namespace.clone(), name.clone(), expected).await {
            Ok(Some(deleted)) => Ok(Removal::Done { uid: deleted.id }),
            Ok(None) | Err(UpdateError::Gone) => Ok(Removal::Gone),
            Err(UpdateError::Conflict) => Ok(Removal::Stale),
            // A removal needs no space.
            Err(UpdateError::Quota(exceeded)) => Err(Problem::over_quota(&ACCESS_GRANTS, name.as_str(), exceeded)),
            Err(UpdateError::Store(error)) => Err(Problem::from_store(&error)),
        }
    }

    fn subject(self, subject: &ChangeSubject) -> Option<Subject<'_>> {
        match subject {
            ChangeSubject::Grant { id, namespace, name } => {
                Some(Subject { namespace, name: name.as_str(), uid: id.to_string() })
            }
            ChangeSubject::Object { .. } => None,
        }
    }

    fn last(self, last: &LastState) -> Option<Grant> {
        match last {
            LastState::Grant(grant) => Some((**grant).clone()),
            LastState::Object(_) | LastState::Unreadable => None,
        }
    }
}

/// The answer when a grant was not created.
fn not_created(name: &GrantName, error: CreateGrantError, spec: &GrantSpec) -> Result<Created, Problem> {
    match error {
        CreateGrantError::NameTaken => Ok(Created::NameTaken),
        CreateGrantError::Quota(exceeded) => Err(Problem::over_quota(&ACCESS_GRANTS, name.as_str(), exceeded)),
        CreateGrantError::Spec(error) => Err(invalid(name, error, spec)),
        CreateGrantError::Store(error) => Err(Problem::from_store(&error)),
    }
}

/// The fault of an object that breaks a rule of the module `app`.
fn invalid(name: &GrantName, error: SpecError, spec: &GrantSpec) -> Problem {
    let cause = match error {
        SpecError::Allowed(rule) => Cause::invalid(error.field(), &spec.allowed, rule),
        SpecError::CodeTooLong { .. } => Cause::invalid_unshown(error.field(), format!("Invalid value: {error}")),
        SpecError::CodeFrozen => Cause::forbidden(error.field(), error),
    };
    Problem::Invalid { resource: &ACCESS_GRANTS, name: name.to_string(), causes: vec![cause] }
}
