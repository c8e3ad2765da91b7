//! What every object has, whatever its type: an `apiVersion`, a `kind` and Kubernetes' ObjectMeta, as a caller writes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::selector::{is_label_key, is_label_value};
use crate::{
    grant::Revision,
    kube::{
        catalog::resource_type::{GroupVersion, ResourceType},
        problem::{
            cause::{Cause, shortened},
            faults::Faults,
            status::Problem,
        },
    },
};

/// Refuses an object of another type.
///
/// # Errors
/// 400 in Kubernetes' words.
pub(crate) fn check_type(resource: &ResourceType, object: &Value) -> Result<(), Problem> {
    check_kind(resource.group_version, resource.kind, object)
}

/// As [`check_type`], for what is not in the type table.
///
/// # Errors
/// 400 in Kubernetes' words.
pub(crate) fn check_kind(group_version: GroupVersion, expected_kind: &str, object: &Value) -> Result<(), Problem> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    let expected = group_version.api_version();
    if kind.is_empty() || version.is_empty() {
        let missing = if kind.is_empty() { "Kind" } else { "apiVersion" };
        return Err(Problem::BadRequest(format!("Object '{missing}' is missing")));
    }
    if version != expected {
        let message = format!(
            "the API version in the data ({}) does not match the expected API version ({expected})",
            shortened(version)
        );
        return Err(Problem::BadRequest(message));
    }
    if kind != expected_kind {
        let found = shortened(kind);
        let message = format!("{found} in version {:?} cannot be handled as a {expected_kind}", group_version.version);
        return Err(Problem::BadRequest(message));
    }
    Ok(())
}

/// The refusal of an object that the type cannot be made of.
pub(crate) fn cannot_be_handled(group_version: GroupVersion, kind: &str, why: &str) -> Problem {
    let version = group_version.version;
    Problem::BadRequest(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
}

/// The part of the metadata that says which object is meant.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// `metadata.name`.
    pub(crate) given_name: Option<String>,
    /// `metadata.generateName`.
    pub(crate) prefix: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) uid: Option<String>,
    /// The state that the caller expects.
    pub(crate) revision: Option<Revision>,
}

/// What Kubernetes' ObjectMeta has. Those that are not read are the server's to set.
const METADATA_FIELDS: &[&str] = &[
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

impl Identity {
    /// Reads the metadata, but for what is attached.
    pub(crate) fn read(faults: &mut Faults, members: &Map<String, Value>) -> Self {
        faults.only("metadata.", members, METADATA_FIELDS);
        let mut text = |name: &str| faults.text(&format!("metadata.{name}"), members.get(name)).map(str::to_owned);
        let (given_name, prefix) = (text("name"), text("generateName"));
        let (namespace, uid, version) = (text("namespace"), text("uid"), text("resourceVersion"));
        let revision = version.and_then(|version| {
            let parsed = version.parse().map(Revision);
            if parsed.is_err() {
                faults.add(Cause::invalid(
                    "metadata.resourceVersion",
                    version.as_str(),
                    "must be a version this server gave",
                ));
            }
            parsed.ok()
        });
        for field in ["finalizers", "ownerReferences"] {
            // Stored, they would promise something that nobody here does.
            if members.get(field).is_some_and(|value| !is_empty(value)) {
                faults.add(Cause::forbidden(&format!("metadata.{field}"), "not supported"));
            }
        }
        Self { given_name, prefix, namespace, uid, revision }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => false,
    }
}

type Texts = BTreeMap<String, String>;

/// Labels and annotations.
pub(crate) fn attached(faults: &mut Faults, members: &Map<String, Value>) -> (Texts, Texts) {
    const KEY_RULE: &str =
        "must be NAME or PREFIX/NAME: a DNS subdomain, and at most 63 letters, digits, '-', '_' or '.'";
    const VALUE_RULE: &str = "must be at most 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends";
    let labels = faults.texts("metadata.labels", members.get("labels"));
    for (key, value) in &labels {
        if !is_label_key(key) {
            faults.add(Cause::invalid("metadata.labels", key.as_str(), KEY_RULE));
        }
        if !is_label_value(value) {
            faults.add(Cause::invalid("metadata.labels", value.as_str(), VALUE_RULE));
        }
    }
    let annotations = faults.texts("metadata.annotations", members.get("annotations"));
    for key in annotations.keys().filter(|key| !is_label_key(&key.to_ascii_lowercase())) {
        faults.add(Cause::invalid("metadata.annotations", key.as_str(), KEY_RULE));
    }
    (labels, annotations)
}
