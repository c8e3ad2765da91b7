//! The result of a request for objects of a type that succeeded.

use hyper::body::Bytes;
use serde_json::Value;

use super::watch::stream::EventStream;
use crate::app::MemoryPermit;

/// The result of a request that succeeded.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) content: Content,
    /// Warnings for the client.
    pub(crate) warnings: Vec<String>,
}

/// What the answer shows.
#[derive(Debug)]
pub(crate) enum Content {
    /// An object that was found, changed or removed.
    Object(Value),
    /// An object that was created.
    Created(Value),
    /// The JSON of a list, and the permit for its memory.
    List(Bytes, MemoryPermit),
    /// The events of a watch.
    Events(EventStream),
}

impl Outcome {
    pub(crate) fn new(content: Content) -> Self {
        Self { content, warnings: Vec::new() }
    }

    pub(crate) fn object(object: Value) -> Self {
        Self::new(Content::Object(object))
    }

    pub(crate) fn created(object: Value) -> Self {
        Self::new(Content::Created(object))
    }

    pub(crate) fn warning(mut self, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        self
    }
}
