//! The write operations, each with its statements.

mod create;
mod delete;
mod objects;
mod replay;
mod rollback;
mod update;
mod upkeep;
mod usage;

#[cfg(test)]
pub(in crate::store) use create::stored;
pub(in crate::store) use create::{Create, new_allowance};
pub(in crate::store) use delete::Delete;
pub(in crate::store) use objects::WriteObjects;
pub(in crate::store) use replay::{RecordReissue, RecordReplay};
pub(in crate::store) use rollback::AcknowledgeRollback;
pub(in crate::store) use update::Update;
pub(in crate::store) use upkeep::{Advance, Check, Sweep};
pub(in crate::store) use usage::{compare, usage_in};
