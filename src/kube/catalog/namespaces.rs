//! What can be done with namespaces, which are no type of the table: they have no namespace themselves.

use super::resource_type::Verb;

/// What can be done with them.
pub(crate) const VERBS: [Verb; 3] = [Verb::Create, Verb::Get, Verb::List];
/// Why the other verbs are not there.
pub(crate) const OTHER_VERBS: &str = "namespaces exist implicitly and cannot be changed here";
