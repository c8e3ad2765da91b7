//! The store in SQL: statements, rows, sealing, group commit, reads and operations.

pub(super) mod backend;
mod batch;
mod failed_transactions;
pub(super) mod failure;
pub(super) mod guard;
mod keeper;
pub(super) mod open;
pub(super) mod operation;
#[cfg(test)]
mod portability;
mod read;
mod recent;
pub(super) mod redemption;
pub(super) mod row;
pub(super) mod seal;
pub(super) mod statement;
pub(super) mod statements;
pub(super) mod store;
mod transaction;
mod writer;
