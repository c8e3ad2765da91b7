//! `grantd token`.

pub(crate) mod check;
pub(crate) mod issue;
mod own_key;
pub(crate) mod redeem;
mod redeemed_files;
