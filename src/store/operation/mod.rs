//! What can be written: each operation with its statements.

mod create;
mod delete;
mod objects;
mod redeem;
mod update;
mod upkeep;

#[cfg(test)]
pub(super) use create::stored;
pub(super) use create::{Create, new_allowance};
pub(super) use delete::Delete;
pub(super) use objects::WriteObjects;
pub(super) use redeem::Redeem;
pub(super) use update::Update;
pub(super) use upkeep::{Advance, Check, Sweep};
