//! Namespaces, and the events in them. Namespaces exist implicitly: nothing about them is stored, and every valid name is
//! that of a namespace.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    app::App,
    grant::Namespace,
    kube::{
        catalog::resource_type::CORE,
        engine::{
            object_meta::{Identity, attached},
            options::{ListOptions, WriteOptions},
            outcome::Outcome,
        },
        problem::{
            faults::Faults,
            status::Problem,
            type_meta::{cannot_be_handled, check_kind},
        },
    },
};

const KIND: &str = "Namespace";

/// A namespace. Without this answer, kubectl replaces our message about a missing object by a worse one
/// (docs/kubernetes-api.md section 3.4).
pub(crate) fn find(name: &Namespace) -> Outcome {
    Outcome::object(namespace(name))
}

/// The list of namespaces: those of the sites, and the default one.
///
/// # Errors
/// 503 when the store does not answer.
pub(crate) async fn list(app: &App, options: &ListOptions) -> Result<Outcome, Problem> {
    if options.start.is_some() {
        return Err(Problem::BadRequest("continue key is not valid: namespaces come in one page".to_owned()));
    }
    let known = known(app);
    let selected = known.iter().filter(|name| options.selector.selects("", name.as_str(), &BTreeMap::new(), None));
    let items: Vec<Value> = selected.map(namespace).collect();
    Ok(Outcome::object(list_of(app, "NamespaceList", items).await?))
}

/// The answer to a creation, which changes nothing, as every namespace exists.
///
/// # Errors
/// 400 for an invalid namespace, and 409 for one that is in the list.
pub(crate) fn create(app: &App, object: &Value, options: WriteOptions) -> Result<Outcome, Problem> {
    check_kind(CORE, KIND, object)?;
    let refused = |why: &str| cannot_be_handled(CORE, KIND, why);
    let mut faults = Faults::default();
    if let Value::Object(members) = object {
        faults.only("", members, &["apiVersion", "kind", "metadata", "spec", "status"]);
    }
    let metadata = faults.object("metadata", object.get("metadata")).cloned().unwrap_or_default();
    let name = Identity::read(&mut faults, &metadata).given_name;
    let (labels, annotations) = attached(&mut faults, &metadata);
    if let Some(cause) = faults.causes.first() {
        return Err(refused(&cause.line()));
    }
    let mut warnings = faults.unknown_fields(options.field_validation).map_err(|why| refused(&why))?;
    let name = name.ok_or_else(|| refused("metadata.name: Required value: namespaces are not given names here"))?;
    let name: Namespace = name.parse().map_err(|error| refused(&format!("metadata.name: Invalid value: {error}")))?;
    if known(app).contains(&name) {
        return Err(Problem::NamespaceExists(name));
    }
    if !labels.is_empty() || !annotations.is_empty() {
        warnings.push("namespaces exist implicitly: labels and annotations are not kept".to_owned());
    }
    Ok(Outcome::created(namespace(&name)).warning(warnings))
}

/// The events of a namespace: always an empty list, which `kubectl describe` needs.
///
/// # Errors
/// 503 when the store does not answer.
pub(crate) async fn events(app: &App) -> Result<Outcome, Problem> {
    Ok(Outcome::object(list_of(app, "EventList", Vec::new()).await?))
}

async fn list_of(app: &App, kind: &str, items: Vec<Value>) -> Result<Value, Problem> {
    let revision = app.revision().await.map_err(|error| Problem::from_store(&error))?;
    let metadata = json!({"resourceVersion": revision.to_string()});
    Ok(json!({"kind": kind, "apiVersion": CORE.api_version(), "metadata": metadata, "items": items}))
}

fn known(app: &App) -> BTreeSet<Namespace> {
    let mut known = app.sites().namespaces();
    known.insert(Namespace::default());
    known
}

fn namespace(name: &Namespace) -> Value {
    json!({
        "kind": KIND, "apiVersion": CORE.api_version(), "metadata": {"name": name.as_str()},
        "status": {"phase": "Active"},
    })
}
