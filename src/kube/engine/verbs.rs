//! The verbs (get, create, update, patch, delete), for objects of every type.

use serde_json::{Value, json};

use super::{
    action::{Action, DeleteOptions, Preconditions},
    kind::{Created, Draft, Kind, Removal, Replaced},
    list,
    manifest::{Manifest, ManifestName},
    object_meta::ObjectMeta,
    options::{Effect, WriteOptions},
    outcome::Outcome,
    patch::{Patch, check_length},
};
use crate::{
    app::App,
    grant::Namespace,
    kube::problem::{cause::Cause, status::Problem},
};

/// How often a change is tried when other changes of the object come first. Kubernetes tries 5 times; here every
/// redemption is such a change, and an operator must be able to change a grant that many clients redeem at the same time.
const ATTEMPTS: usize = 20;

/// Executes the action.
pub(crate) async fn perform<K: Kind>(app: &App, kind: K, action: Action) -> Result<Outcome, Problem> {
    match action {
        Action::Get { namespace, name } => {
            // An object can take megabytes more than its text.
            let _turn = app.requests().turn().await;
            let (_, state) = find(app, kind, &namespace, &name).await?;
            Ok(Outcome::object(kind.object(app, &state)))
        }
        Action::List { namespace, options, form } => list::list(app, kind, namespace, &options, &form).await,
        Action::Create { namespace, object, options } => create(app, kind, &namespace, &object, options).await,
        Action::Update { namespace, name, object, options } => {
            update(app, kind, &namespace, &name, &object, options).await
        }
        Action::Patch { namespace, name, patch, options } => {
            apply_patch(app, kind, &namespace, &name, &patch, options).await
        }
        Action::Delete { namespace, name, options } => delete(app, kind, &namespace, &name, &options).await,
    }
}

/// The object of this name. Of a text that is not a valid name there is no object.
pub(crate) async fn find<K: Kind>(
    app: &App,
    kind: K,
    namespace: &Namespace,
    name: &str,
) -> Result<(K::Name, K::State), Problem> {
    let parsed: K::Name = name.parse().map_err(|_| not_found(kind, name))?;
    let found = kind.find(app, namespace, &parsed).await?;
    Ok((parsed, found.ok_or_else(|| not_found(kind, name))?))
}

fn not_found(kind: impl Kind, name: &str) -> Problem {
    Problem::NotFound { resource: kind.resource(), name: name.to_owned() }
}

async fn create<K: Kind>(
    app: &App,
    kind: K,
    namespace: &Namespace,
    object: &Value,
    options: WriteOptions,
) -> Result<Outcome, Problem> {
    let manifest = app.requests().run(|| kind.manifest(object, options.field_validation)).await?;
    check_namespace(&manifest, namespace)?;
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
        let draft = Draft { namespace, name: &name, manifest: &manifest };
        match kind.create(app, draft, options.effect).await? {
            Created::Done(object) => return Ok(Outcome::created(object).warning(manifest.warnings)),
            Created::NameTaken => taken = Some(name.to_string()),
        }
    }
    Err(Problem::AlreadyExists { resource: kind.resource(), name: taken.unwrap_or_default() })
}

/// PUT: the object replaces the stored one, and must say which state it replaces, as for every custom resource in
/// Kubernetes.
async fn update<K: Kind>(
    app: &App,
    kind: K,
    namespace: &Namespace,
    name: &str,
    object: &Value,
    options: WriteOptions,
) -> Result<Outcome, Problem> {
    let manifest = app.requests().run(|| kind.manifest(object, options.field_validation)).await?;
    let (parsed, current) = find(app, kind, namespace, name).await?;
    if manifest.revision.is_none() {
        let cause = Cause::required("metadata.resourceVersion", "must be specified for an update");
        return Err(Problem::Invalid { resource: kind.resource(), name: name.to_owned(), causes: vec![cause] });
    }
    check_identity(kind, &parsed, &kind.meta(&current), &manifest)?;
    replace(app, kind, current, manifest, options.effect)
        .await?
        .map_or_else(|| Err(Problem::modified(kind.resource(), name)), Ok)
}

/// A patch: applied to the present state of the object, and applied again if another change came first, unless the patch
/// names the version that it is for.
async fn apply_patch<K: Kind>(
    app: &App,
    kind: K,
    namespace: &Namespace,
    name: &str,
    patch: &Patch,
    options: WriteOptions,
) -> Result<Outcome, Problem> {
    let attempts = if patch.names_a_version() { 1 } else { ATTEMPTS };
    for _ in 0..attempts {
        let (parsed, current) = find(app, kind, namespace, name).await?;
        let read = app.requests().run(|| {
            let patched = patch.apply(kind.object(app, &current)).map_err(|fault| Problem::Inapplicable {
                resource: kind.resource(),
                name: name.to_owned(),
                fault,
            })?;
            check_length(&patched)?;
            kind.manifest(&patched, options.field_validation)
        });
        let manifest = read.await?;
        check_identity(kind, &parsed, &kind.meta(&current), &manifest)?;
        if let Some(outcome) = replace(app, kind, current, manifest, options.effect).await? {
            return Ok(outcome);
        }
    }
    Err(Problem::modified(kind.resource(), name))
}

/// The answer, or `None` when the object has changed since it was read.
async fn replace<K: Kind>(
    app: &App,
    kind: K,
    current: K::State,
    mut manifest: Manifest<K::Name, K::Spec>,
    effect: Effect,
) -> Result<Option<Outcome>, Problem> {
    let dropped = std::mem::take(&mut manifest.warnings);
    let name = kind.meta(&current).name.to_owned();
    match kind.replace(app, current, manifest, effect).await? {
        Replaced::Done { object, warnings } => Ok(Some(Outcome::object(object).warning(dropped).warning(warnings))),
        Replaced::Stale => Ok(None),
        Replaced::Gone => Err(not_found(kind, &name)),
    }
}

fn check_namespace<N, S>(manifest: &Manifest<N, S>, namespace: &Namespace) -> Result<(), Problem> {
    match &manifest.namespace {
        Some(given) if given != namespace.as_str() => Err(Problem::BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request".to_owned(),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Checks that the manifest is about this object (name, namespace, uid) and, if it names a version, about this state.
fn check_identity<K: Kind>(
    kind: K,
    name: &K::Name,
    current: &ObjectMeta<'_>,
    manifest: &Manifest<K::Name, K::Spec>,
) -> Result<(), Problem> {
    check_namespace(manifest, current.namespace)?;
    if !matches!(&manifest.name, ManifestName::Given(given) if given == name) {
        return Err(Problem::BadRequest(format!("the name of the object does not match the name on the URL ({name})")));
    }
    let preconditions = Preconditions { uid: manifest.uid.clone(), revision: None };
    preconditions.check(kind.resource(), current.name, &current.uid, current.revision)?;
    match manifest.revision {
        Some(expected) if expected != current.revision => Err(Problem::modified(kind.resource(), current.name)),
        Some(_) | None => Ok(()),
    }
}

async fn delete<K: Kind>(
    app: &App,
    kind: K,
    namespace: &Namespace,
    name: &str,
    options: &DeleteOptions,
) -> Result<Outcome, Problem> {
    let parsed: K::Name = name.parse().map_err(|_| not_found(kind, name))?;
    for _ in 0..ATTEMPTS {
        // Without a condition the object is not read first, so that an object whose row is corrupt can be removed too.
        let mut expected = None;
        if options.effect == Effect::DryRun || !options.preconditions.is_empty() {
            let (_, current) = find(app, kind, namespace, name).await?;
            let ObjectMeta { uid, revision, .. } = kind.meta(&current);
            options.preconditions.check(kind.resource(), name, &uid, revision)?;
            if options.effect == Effect::DryRun {
                kind.check_removal(&current)?;
                return Ok(deleted(kind, name, &uid));
            }
            expected = Some(revision);
        }
        match kind.remove(app, namespace, &parsed, expected).await? {
            Removal::Done { uid } => return Ok(deleted(kind, name, &uid)),
            Removal::Gone => return Err(not_found(kind, name)),
            // The object changed after the check: check again.
            Removal::Stale => {}
        }
    }
    Err(Problem::modified(kind.resource(), name))
}

fn deleted(kind: impl Kind, name: &str, uid: &str) -> Outcome {
    let resource = kind.resource();
    let mut details = json!({"name": name, "kind": resource.plural, "uid": uid});
    if !resource.group_version.group.is_empty() {
        details["group"] = resource.group_version.group.into();
    }
    Outcome::object(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    }))
}
