//! Events as they are written: one JSON a line.

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::{
    grant::Revision,
    kube::{
        catalog::{resource_type::ResourceType, table::TableForm},
        engine::kind::Subject,
    },
    time::Clock,
};

/// What an event says about its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventType {
    /// It is selected, and was not before.
    Added,
    /// It was selected before, and is.
    Modified,
    /// It was selected before, and is not, or is no more.
    Deleted,
    /// It is no object, and only says how far the watch has come.
    Bookmark,
    /// It is a Status, and the watch is over.
    Error,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }
}

/// An event of a whole object.
pub(super) fn line(event: EventType, object: &Value) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{}\",\"object\":{object}}}\n", event.as_str()))
}

/// How one watch writes its events.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) resource: &'static ResourceType,
    pub(super) table: Option<TableForm>,
    /// For the ages in tables.
    pub(super) clock: Clock,
}

impl Form {
    /// An event at this revision, which the object is given.
    pub(super) fn event(&self, event: EventType, mut object: Value, revision: Revision) -> Bytes {
        object["metadata"]["resourceVersion"] = revision.to_string().into();
        match self.table {
            Some(table) => line(event, &table.table(self.resource, object, self.clock.now())),
            None => line(event, &object),
        }
    }

    /// An event without an object: everything up to this revision is sent.
    pub(super) fn bookmark(&self, revision: Revision) -> Bytes {
        self.event(EventType::Bookmark, self.nothing(), revision)
    }

    /// The bookmark after all that was there at the beginning.
    pub(super) fn end_of_initial_events(&self, revision: Revision) -> Bytes {
        let annotations = json!({"k8s.io/initial-events-end": "true"});
        let mut object = self.nothing();
        object["metadata"]["resourceVersion"] = revision.to_string().into();
        if let Some(table) = self.table {
            object = table.table(self.resource, object, self.clock.now());
            // Rows carry no annotations else.
            if let Some(metadata) = object.pointer_mut("/rows/0/object/metadata") {
                metadata["annotations"] = annotations;
            }
        } else {
            object["metadata"]["annotations"] = annotations;
        }
        line(EventType::Bookmark, &object)
    }

    /// What is left of an object that can be read no more.
    pub(super) fn identity(&self, subject: &Subject<'_>) -> Value {
        let mut object = self.nothing();
        object["metadata"] = json!({"name": subject.name, "namespace": subject.namespace.as_str(), "uid": subject.uid});
        object
    }

    fn nothing(&self) -> Value {
        json!({"kind": self.resource.kind, "apiVersion": self.resource.group_version.api_version(), "metadata": {}})
    }
}
