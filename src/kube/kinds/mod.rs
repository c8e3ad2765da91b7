//! What each type of object does.

pub(super) mod grant_object;
pub(super) mod grant_spec;
pub(super) mod grants;
pub(super) mod ledger;
pub(super) mod links;
pub(super) mod links_v1alpha1;
pub(super) mod namespaces;
pub(super) mod registry;
pub(super) mod secrets;
pub(super) mod server;
pub(super) mod site_object;
pub(super) mod sites;
pub(super) mod stored;
pub(super) mod tokens;
