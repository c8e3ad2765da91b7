//! The documents of discovery, and their paths.

use super::{
    path::segments,
    resource_type::{CORE, GroupVersion},
    types::{groups, versions},
};

/// The documents of discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document {
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/GROUP`
    Group(&'static str),
    /// `/api/v1` and `/apis/GROUP/VERSION`
    Resources(GroupVersion),
    /// `/version`
    Version,
    /// `/openapi/v2`
    OpenApiV2,
    /// `/openapi/v3`
    OpenApiIndex,
    /// `/openapi/v3/api/v1` and `/openapi/v3/apis/GROUP/VERSION`
    OpenApi(GroupVersion),
}

impl Document {
    /// The document at this path, given as decoded segments; `None` when there is no document at it.
    pub(crate) fn at(segments: &[&str]) -> Option<Self> {
        match segments {
            ["api"] => Some(Self::CoreVersions),
            ["apis"] => Some(Self::Groups),
            ["version"] => Some(Self::Version),
            ["openapi", "v2"] => Some(Self::OpenApiV2),
            ["openapi", "v3"] => Some(Self::OpenApiIndex),
            ["openapi", "v3", "api", version] => served("", version).map(Self::OpenApi),
            ["openapi", "v3", "apis", group, version] if !group.is_empty() => served(group, version).map(Self::OpenApi),
            ["apis", group] => groups().into_iter().find(|served| served == group).map(Self::Group),
            ["api", version] if *version == CORE.version => Some(Self::Resources(CORE)),
            ["apis", group, version] if !group.is_empty() => served(group, version).map(Self::Resources),
            _ => None,
        }
    }

    /// The document at this path, given as the client sent it, without the query.
    pub(crate) fn read(path: &str) -> Option<Self> {
        let segments = segments(path.strip_prefix('/')?)?;
        Self::at(&segments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn served(group: &str, version: &str) -> Option<GroupVersion> {
    versions(group).into_iter().find(|served| served.version == version)
}
