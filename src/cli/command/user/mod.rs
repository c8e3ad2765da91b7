//! `grantd user`: the users of the admin API.

pub(crate) mod list;
pub(crate) mod revoke;
