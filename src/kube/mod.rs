//! Level 4: the admin door, shaped like Kubernetes' API, so that kubectl, the skupper CLI and Kubernetes' client libraries
//! work without a cluster (kubectl.md).
//!
//! A request goes through [`listener`] (connections), [`service`] (limits, metrics, the body), [`target`] (what the path means),
//! [`authorize`] (who may do it) and then to what answers: [`discovery`], or [`verbs`] and [`watch`], which do the same for
//! every type in [`types`] and leave what differs to its [`kind`]. Most types are [`stored`] as they were written. What is
//! read becomes a [`table`] for whoever asks for one. What goes wrong on the way is a [`problem::Problem`], which alone knows
//! codes and wording.

mod access;
mod action;
mod age;
mod answer;
mod authorize;
mod cause;
mod column;
mod discovery;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod grant_object;
mod grant_spec;
mod grants;
mod json;
mod kind;
mod ledger;
mod links;
mod links_v1alpha1;
mod list;
mod listener;
mod manifest;
mod merge;
mod metadata;
mod namespaces;
mod object;
mod openapi;
mod operations;
mod page;
mod patch;
mod problem;
mod protobuf;
mod prune;
mod query;
mod reply;
mod request;
mod reviews;
mod schema;
mod secrets;
mod selector;
mod service;
mod site_object;
mod sites;
mod stored;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod tokens;
mod types;
mod validate;
mod verbs;
mod watch;

pub use self::listener::{AdminListenerError, AdminSocketListener, AdminTlsListener};
