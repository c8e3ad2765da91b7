//! The verbs of namespaces, which are not in the type table, as they are not in a namespace themselves.

use super::resource_type::Verb;

/// The verbs of namespaces.
pub(crate) const VERBS: [Verb; 3] = [Verb::Create, Verb::Get, Verb::List];
/// The message about all other verbs.
pub(crate) const OTHER_VERBS: &str = "namespaces exist implicitly and cannot be changed here";
