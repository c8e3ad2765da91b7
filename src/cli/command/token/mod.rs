//! `grantd token`.

pub mod issue;
pub mod redeem;
mod redeemed_files;
