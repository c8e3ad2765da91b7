//! `grantd token`.

pub(crate) mod issue;
pub(crate) mod redeem;
mod redeemed_files;
