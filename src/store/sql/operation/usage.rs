//! Comparing a write with the quota of its namespace, in the transaction that writes.

use crate::{
    grant::Namespace,
    store::{
        quota::Usage,
        sql::{
            backend::Backend,
            batch::Batch,
            failure::Failure,
            statement::{Columns as _, statement},
            statements,
        },
    },
};

/// What a namespace has stored, with what this transaction has written so far.
pub(in crate::store) async fn usage<B: Backend>(
    batch: &mut Batch<'_, B>,
    namespace: &Namespace,
) -> Result<Usage, Failure> {
    let read = statement(statements::NAMESPACE_USAGE).bind(namespace.as_str());
    let Some(row) = batch.row(read, namespace.as_str()).await? else { return Ok(Usage::default()) };
    let number = |column| row.integer(column).map(i64::unsigned_abs).map_err(Failure::column(namespace.as_str()));
    Ok(Usage { objects: number("objects")?, bytes: number("bytes")? })
}

/// The number of bytes as the quota counts them.
pub(in crate::store) fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
