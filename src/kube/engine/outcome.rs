//! What a request for a type ends in, when it ends well.

use hyper::body::Bytes;
use serde_json::Value;

use super::{memory::MemoryPermit, watch::stream::EventStream};

/// The result of a request that was done.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) content: Content,
    /// What there is to say about it.
    pub(crate) warnings: Vec<String>,
}

/// What the answer shows.
#[derive(Debug)]
pub(crate) enum Content {
    /// An object that was found, changed or removed.
    Object(Value),
    /// An object that was made.
    Created(Value),
    /// A list as it is sent, and the memory that it was written in.
    List(Bytes, MemoryPermit),
    /// Events, for as long as the watch lasts.
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
