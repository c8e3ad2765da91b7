//! The type table, and the documents and tables that are made from it.

pub(super) mod access_grant;
pub(super) mod access_token;
pub(super) mod age;
pub(super) mod column;
pub(super) mod discovery;
pub(super) mod document;
pub(super) mod link;
pub(super) mod link_v1alpha1;
pub(super) mod namespaces;
pub(super) mod openapi;
pub(super) mod path;
pub(super) mod prune;
pub(super) mod resource_type;
pub(super) mod schema;
pub(super) mod secret;
pub(super) mod server_path;
pub(super) mod site;
pub(super) mod table;
pub(super) mod types;
