//! HTTP: from a request to what it asks for, and from the outcome to an answer.

pub(super) mod answer;
pub(super) mod authorize;
pub(super) mod documents;
pub(super) mod negotiation;
pub(super) mod options;
pub(super) mod protobuf;
pub(super) mod query;
pub(super) mod reply;
pub(super) mod request;
pub(super) mod route;
pub(super) mod service;
