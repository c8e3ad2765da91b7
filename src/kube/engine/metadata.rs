//! The metadata of an object as callers see it.

use std::{collections::BTreeMap, fmt::Display};

use serde_json::{Value, json};

use crate::{
    grant::{Namespace, Revision},
    time::Timestamp,
};

/// Who an object is, and what is attached to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metadata<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a str,
    pub(crate) labels: &'a BTreeMap<String, String>,
    pub(crate) annotations: &'a BTreeMap<String, String>,
}

impl Metadata<'_> {
    /// Without what only an object has that exists.
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

    /// With what every object has that exists.
    pub(crate) fn stored(self, uid: impl Display, created_at: Timestamp, revision: Revision) -> Value {
        let mut metadata = self.unstored();
        metadata["uid"] = uid.to_string().into();
        metadata["creationTimestamp"] = created_at.to_string().into();
        metadata["resourceVersion"] = revision.to_string().into();
        metadata
    }
}
