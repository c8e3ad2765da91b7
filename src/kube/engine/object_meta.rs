//! Kubernetes' ObjectMeta: as a caller writes it, and as callers see it.

use std::{collections::BTreeMap, fmt::Display};

use serde_json::{Map, Value, json};

use super::selector::{is_label_key, is_label_value};
use crate::{
    grant::{Namespace, Revision},
    kube::problem::{cause::Cause, faults::Faults},
    time::Timestamp,
};

/// The metadata of an object of any type, as far as lists, watches and changes need it.
#[derive(Debug)]
pub(crate) struct ObjectMeta<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a str,
    pub(crate) uid: String,
    pub(crate) revision: Revision,
    pub(crate) labels: &'a BTreeMap<String, String>,
    /// The other members of an object that is stored as its caller wrote it; field selectors can refer to them.
    pub(crate) members: Option<&'a Map<String, Value>>,
}

/// The part of the metadata that identifies an object.
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

/// The fields of Kubernetes' ObjectMeta. Only the server sets those that are not read here.
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
    /// Reads the metadata without labels and annotations.
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
            // Storing them would promise an effect that this server does not provide.
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

/// The identity of an object, and its labels and annotations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metadata<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a str,
    pub(crate) labels: &'a BTreeMap<String, String>,
    pub(crate) annotations: &'a BTreeMap<String, String>,
}

impl Metadata<'_> {
    /// The metadata of an object that does not exist: without uid, version and times.
    pub(crate) fn unstored(self) -> Value {
        let Self { namespace, name, labels, annotations } = self;
        let mut metadata = json!({"name": name, "namespace": namespace.as_str()});
        if !labels.is_empty() {
            metadata["labels"] = json!(labels);
        }
        if !annotations.is_empty() {
            metadata["annotations"] = json!(annotations);
        }
        metadata
    }

    /// The metadata of an object that exists: with uid, version and times.
    pub(crate) fn stored(self, uid: impl Display, created_at: Timestamp, revision: Revision) -> Value {
        let mut metadata = self.unstored();
        metadata["uid"] = uid.to_string().into();
        metadata["creationTimestamp"] = created_at.to_string().into();
        metadata["resourceVersion"] = revision.to_string().into();
        metadata
    }
}
