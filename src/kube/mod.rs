//! Level 4: the admin API, shaped like Kubernetes' API, so that kubectl, the skupper CLI and Kubernetes' client libraries
//! work without a cluster (docs/kubernetes-api.md).
//!
//! Each module imports those below it only (`tests/architecture` holds the order), from the highest:
//!
//! | module | content |
//! |---|---|
//! | [`listener`] | the listeners: connections, TLS |
//! | [`wire`] | HTTP: limits, paths, queries, bodies, answers |
//! | [`kinds`] | what each type of object does |
//! | [`engine`] | verbs, lists, watches and patches, written once for all types |
//! | [`access`] | which callers there are and what each may do |
//! | [`problem`] | what is wrong with a request, and how that is answered |
//! | [`catalog`] | the type table, and the documents and tables that come from it |

mod access;
mod catalog;
mod engine;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod kinds;
mod listener;
mod problem;
#[cfg(test)]
mod tests;
mod wire;

pub use self::listener::{AdminListenerError, AdminSocketListener, AdminTlsListener};
