//! The API as its callers see it: a real store, real certificates, real sockets, real clients.

mod arbitrary;
mod authorize;
mod change;
mod create;
mod discovery;
mod hostile;
mod json_patch;
mod links;
mod links_v1alpha1;
mod listener;
mod listing;
mod namespaces;
mod openapi;
mod protobuf;
mod removal;
mod reviews;
mod secrets;
mod sites;
mod skupper;
mod stalled;
mod table;
mod tls_listener;
mod tokens;
mod watch;
mod watch_replay;
mod world;
