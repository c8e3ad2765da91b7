//! Events as they are sent: one JSON object on each line.

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

/// The types of events, in Kubernetes' terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum EventType {
    /// The object is selected now, and was not before the change.
    Added,
    /// The object was selected before the change, and still is.
    Modified,
    /// The object was selected before the change, and is not any more, or was removed.
    Deleted,
    /// No object: the event says only up to which revision the watch has sent everything.
    Bookmark,
    /// The object is a Status, and this event is the last of the watch.
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

/// An event with this object, as a line.
pub(super) fn line(event: EventType, object: &Value) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{}\",\"object\":{object}}}\n", event.as_str()))
}

/// How one watch writes its events.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) resource: &'static ResourceType,
    pub(super) table: Option<TableForm>,
    /// The clock for the ages in tables.
    pub(super) clock: Clock,
}

impl Form {
    /// An event at this revision, which becomes the object's `resourceVersion`.
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

    /// The bookmark that ends the initial events.
    pub(super) fn end_of_initial_events(&self, revision: Revision) -> Bytes {
        let annotations = json!({"k8s.io/initial-events-end": "true"});
        let mut object = self.nothing();
        object["metadata"]["resourceVersion"] = revision.to_string().into();
        if let Some(table) = self.table {
            object = table.table(self.resource, object, self.clock.now());
            // Otherwise the metadata in rows has no annotations.
            if let Some(metadata) = object.pointer_mut("/rows/0/object/metadata") {
                metadata["annotations"] = annotations;
            }
        } else {
            object["metadata"]["annotations"] = annotations;
        }
        line(EventType::Bookmark, &object)
    }

    /// An object whose row cannot be read: its name, namespace and uid only.
    pub(super) fn identity(&self, subject: &Subject<'_>) -> Value {
        let mut object = self.nothing();
        object["metadata"] = json!({"name": subject.name, "namespace": subject.namespace.as_str(), "uid": subject.uid});
        object
    }

    fn nothing(&self) -> Value {
        json!({"kind": self.resource.kind, "apiVersion": self.resource.group_version.api_version(), "metadata": {}})
    }
}
