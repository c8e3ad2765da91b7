//! The store in SQL: statements, rows, sealing, group commit, reads and operations.

mod batch;
pub(super) mod operation;
#[cfg(test)]
mod portability;
pub(super) mod read;
pub(super) mod recent;
pub(super) mod row;
pub(super) mod seal;
pub(super) mod statements;
pub(super) mod writer;
