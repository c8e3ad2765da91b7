//! `grantd link`.

mod directory;
pub(crate) mod status;
