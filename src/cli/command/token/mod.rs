//! `grantd token`.

pub mod issue;
pub mod redeem;
