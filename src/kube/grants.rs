//! What can be done with AccessGrants.

use serde_json::{Value, json};

use super::{
    action::{Action, DeleteOptions, Preconditions},
    cause::Cause,
    grant_list, grant_object,
    manifest::{Manifest, ManifestName},
    patch::Patch,
    problem::Problem,
    query::{Effect, WriteOptions},
    reply::Reply,
    types::ACCESS_GRANTS,
};
use crate::{
    app::{App, CreateGrantError, GrantDraft, GrantSpec, SpecError, UpdateGrantError},
    grant::{Grant, GrantName, Namespace},
    store::UpdateError,
};

/// How often a change is tried on a grant that is changed meanwhile. Kubernetes tries 5 times; here every redemption is
/// such a change, and a grant that is redeemed by many at once must still be within reach of its operator.
const ATTEMPTS: usize = 20;

/// Does what is wanted.
pub(super) async fn perform(app: &App, action: Action) -> Result<Reply, Problem> {
    match action {
        Action::Get { namespace, name } => {
            let grant = find(app, &namespace, &name).await?;
            Ok(Reply::ok(grant_object::object(app, &grant)))
        }
        Action::List { namespace, options } => grant_list::list(app, namespace, options).await,
        Action::Create { namespace, object, options } => create(app, namespace, &object, options).await,
        Action::Update { namespace, name, object, options } => update(app, &namespace, &name, &object, options).await,
        Action::Patch { namespace, name, patch, options } => apply_patch(app, &namespace, &name, &patch, options).await,
        Action::Delete { namespace, name, options } => delete(app, namespace, &name, &options).await,
    }
}

/// The grant of this name; a text that is no name names nothing.
pub(super) async fn find(app: &App, namespace: &Namespace, name: &str) -> Result<Grant, Problem> {
    let parsed: GrantName = name.parse().map_err(|_| not_found(name))?;
    let found = app.find_grant(namespace.clone(), parsed).await.map_err(|error| Problem::from_store(&error))?;
    found.ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> Problem {
    Problem::NotFound { resource: &ACCESS_GRANTS, name: name.to_owned() }
}

async fn create(app: &App, namespace: Namespace, object: &Value, options: WriteOptions) -> Result<Reply, Problem> {
    let manifest = Manifest::read(object, options.field_validation)?;
    check_namespace(&manifest, &namespace)?;
    if manifest.revision.is_some() {
        return Err(Problem::BadRequest("resourceVersion should not be set on objects to be created".to_owned()));
    }
    let attempts = match manifest.name {
        ManifestName::Given(_) => 1,
        ManifestName::Generate(_) => ATTEMPTS,
    };
    let mut taken = None;
    for _ in 0..attempts {
        let name = manifest.name.resolve();
        match create_as(app, &namespace, &name, &manifest, options.effect).await? {
            Some(object) => return Ok(Reply::created(object).warning(manifest.warnings)),
            None => taken = Some(name.to_string()),
        }
    }
    Err(Problem::AlreadyExists { resource: &ACCESS_GRANTS, name: taken.unwrap_or_default() })
}

/// The new object, or `None` when the name is taken.
async fn create_as(
    app: &App,
    namespace: &Namespace,
    name: &GrantName,
    manifest: &Manifest,
    effect: Effect,
) -> Result<Option<Value>, Problem> {
    match effect {
        Effect::DryRun => {
            app.check_new(&manifest.spec).map_err(|error| invalid(name, error, &manifest.spec))?;
            let there = app.find_grant(namespace.clone(), name.clone()).await;
            let there = there.map_err(|error| Problem::from_store(&error))?;
            Ok(there.is_none().then(|| grant_object::unstored(namespace, name, manifest)))
        }
        Effect::Lasting => {
            let draft = GrantDraft {
                namespace: namespace.clone(),
                name: name.clone(),
                spec: manifest.spec.clone(),
                metadata: manifest.metadata.clone(),
            };
            match app.create_grant(draft).await {
                Ok(grant) => Ok(Some(grant_object::object(app, &grant))),
                Err(CreateGrantError::NameTaken) => Ok(None),
                Err(CreateGrantError::Spec(error)) => Err(invalid(name, error, &manifest.spec)),
                Err(CreateGrantError::Store(error)) => Err(Problem::from_store(&error)),
            }
        }
    }
}

/// PUT: the object replaces the grant's spec and metadata, and must say which state it replaces, as for every custom
/// resource in Kubernetes.
async fn update(
    app: &App,
    namespace: &Namespace,
    name: &str,
    object: &Value,
    options: WriteOptions,
) -> Result<Reply, Problem> {
    let manifest = Manifest::read(object, options.field_validation)?;
    let current = find(app, namespace, name).await?;
    if manifest.revision.is_none() {
        let cause = Cause::required("metadata.resourceVersion", "must be specified for an update");
        return Err(Problem::Invalid { resource: &ACCESS_GRANTS, name: name.to_owned(), causes: vec![cause] });
    }
    match replace(app, current, manifest, options.effect).await? {
        Replaced::Done(reply) => Ok(*reply),
        Replaced::Stale => Err(Problem::modified(&ACCESS_GRANTS, name)),
    }
}

/// A patch: applied to the object as it is now, again if it changes meanwhile, unless the patch says which state it is
/// for.
async fn apply_patch(
    app: &App,
    namespace: &Namespace,
    name: &str,
    patch: &Patch,
    options: WriteOptions,
) -> Result<Reply, Problem> {
    let attempts = if patch.names_a_version() { 1 } else { ATTEMPTS };
    for _ in 0..attempts {
        let current = find(app, namespace, name).await?;
        let patched = patch.apply(grant_object::object(app, &current)).map_err(|fault| Problem::Inapplicable {
            resource: &ACCESS_GRANTS,
            name: name.to_owned(),
            fault,
        })?;
        let manifest = Manifest::read(&patched, options.field_validation)?;
        match replace(app, current, manifest, options.effect).await? {
            Replaced::Done(reply) => return Ok(*reply),
            Replaced::Stale => {}
        }
    }
    Err(Problem::modified(&ACCESS_GRANTS, name))
}

enum Replaced {
    Done(Box<Reply>),
    /// The grant was changed since it was read.
    Stale,
}

async fn replace(app: &App, current: Grant, manifest: Manifest, effect: Effect) -> Result<Replaced, Problem> {
    check_identity(&current, &manifest)?;
    let mut warnings = manifest.warnings;
    if manifest.spec.window != current.window {
        let end = current.expires_at;
        warnings.push(format!(
            "spec.expirationWindow counts from a grant's creation only; this one still expires at {end}"
        ));
    }
    let (name, spec) = (current.name.clone(), manifest.spec.clone());
    let changed = match effect {
        Effect::DryRun => {
            App::preview_update(current, manifest.spec, manifest.metadata).map_err(UpdateGrantError::Spec)
        }
        Effect::Lasting => app.update_grant(current, manifest.spec, manifest.metadata).await,
    };
    match changed {
        Ok(grant) => {
            let reply = Reply::ok(grant_object::object(app, &grant)).warning(warnings);
            Ok(Replaced::Done(Box::new(reply)))
        }
        Err(UpdateGrantError::Conflict) => Ok(Replaced::Stale),
        Err(UpdateGrantError::Gone) => Err(not_found(name.as_str())),
        Err(UpdateGrantError::Spec(error)) => Err(invalid(&name, error, &spec)),
        Err(UpdateGrantError::Store(error)) => Err(Problem::from_store(&error)),
    }
}

fn check_namespace(manifest: &Manifest, namespace: &Namespace) -> Result<(), Problem> {
    match &manifest.namespace {
        Some(given) if given != namespace.as_str() => Err(Problem::BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request".to_owned(),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Name, namespace and uid are what an object is; the version says which state of it is meant.
fn check_identity(current: &Grant, manifest: &Manifest) -> Result<(), Problem> {
    check_namespace(manifest, &current.namespace)?;
    if manifest.name != ManifestName::Given(current.name.clone()) {
        return Err(Problem::BadRequest(format!(
            "the name of the object does not match the name on the URL ({})",
            current.name
        )));
    }
    let uid = current.id.to_string();
    let preconditions = Preconditions { uid: manifest.uid.clone(), revision: None };
    preconditions.check(&ACCESS_GRANTS, current.name.as_str(), &uid, current.revision)?;
    match manifest.revision {
        Some(expected) if expected != current.revision => Err(Problem::modified(&ACCESS_GRANTS, current.name.as_str())),
        Some(_) | None => Ok(()),
    }
}

/// A rule that only the use case knows, as a fault of the object.
fn invalid(name: &GrantName, error: SpecError, spec: &GrantSpec) -> Problem {
    let cause = match error {
        SpecError::Allowed(rule) => Cause::invalid(error.field(), &spec.allowed, rule),
        SpecError::CodeTooLong { .. } => Cause::invalid_unshown(error.field(), format!("Invalid value: {error}")),
        SpecError::CodeFrozen => Cause::forbidden(error.field(), error),
    };
    Problem::Invalid { resource: &ACCESS_GRANTS, name: name.to_string(), causes: vec![cause] }
}

async fn delete(app: &App, namespace: Namespace, name: &str, options: &DeleteOptions) -> Result<Reply, Problem> {
    let parsed: GrantName = name.parse().map_err(|_| not_found(name))?;
    for _ in 0..ATTEMPTS {
        // Without a condition nothing is read first: a grant whose row is corrupt can be removed too.
        let mut expected = None;
        if options.effect == Effect::DryRun || !options.preconditions.is_empty() {
            let current = find(app, &namespace, name).await?;
            let uid = current.id.to_string();
            options.preconditions.check(&ACCESS_GRANTS, name, &uid, current.revision)?;
            if options.effect == Effect::DryRun {
                return Ok(deleted(name, &uid));
            }
            expected = Some(current.revision);
        }
        match app.delete_grant(namespace.clone(), parsed.clone(), expected).await {
            Ok(Some(gone)) => return Ok(deleted(name, &gone.id)),
            Ok(None) | Err(UpdateError::Gone) => return Err(not_found(name)),
            // What was checked is not what is there any more: check again.
            Err(UpdateError::Conflict) => {}
            Err(UpdateError::Store(error)) => return Err(Problem::from_store(&error)),
        }
    }
    Err(Problem::modified(&ACCESS_GRANTS, name))
}

fn deleted(name: &str, uid: &str) -> Reply {
    Reply::ok(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {
            "name": name, "group": ACCESS_GRANTS.group_version.group, "kind": ACCESS_GRANTS.plural, "uid": uid,
        },
    }))
}
