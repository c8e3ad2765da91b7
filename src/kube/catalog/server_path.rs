//! Paths of what is about this server and no resource, for the owner of the admin socket alone.

use super::{path::segments, resource_type::Verb};

/// What is at such a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerPath {
    /// `/grantd/v1/acknowledge-rollback`
    AcknowledgeRollback,
}

impl ServerPath {
    /// What is at this path, given as decoded segments.
    pub(crate) fn at(segments: &[&str]) -> Option<Self> {
        let ["grantd", "v1", name] = segments else { return None };
        [Self::AcknowledgeRollback].into_iter().find(|path| path.name() == *name)
    }

    /// Its last segment.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AcknowledgeRollback => "acknowledge-rollback",
        }
    }

    /// What is at this path, given as the client sent it, without the query.
    pub(crate) fn read(path: &str) -> Option<Self> {
        let segments = segments(path.strip_prefix('/')?)?;
        Self::at(&segments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The one verb that it has.
    pub(crate) fn verb(self) -> Verb {
        match self {
            Self::AcknowledgeRollback => Verb::Create,
        }
    }

    /// The same in Kubernetes' words for paths that are not resources.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::AcknowledgeRollback => "post",
        }
    }
}
