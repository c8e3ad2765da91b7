//! `grantd link`.

mod directory;
pub mod status;
