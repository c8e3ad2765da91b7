//! Comparing a write with the quota of its namespace: in the transaction that writes, or before.

use crate::{
    grant::Namespace,
    store::{
        Quota, QuotaExceeded, Wanted,
        quota::Usage,
        sql::{
            backend::Backend,
            batch::Batch,
            failure::Failure,
            row,
            seal::sealed_length,
            statement::{Column, Columns, statement},
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
    usage_in(&row).map_err(Failure::column(namespace.as_str()))
}

/// What this row says that a namespace has stored.
pub(in crate::store) fn usage_in(row: &impl Columns) -> Column<Usage> {
    let number = |column| row.integer(column).map(i64::unsigned_abs);
    Ok(Usage { objects: number("objects")?, bytes: number("bytes")? })
}

/// Compares with the quota what may be written, as the operations do when they write it.
pub(in crate::store) fn compare(quota: Quota, used: Usage, wanted: &Wanted) -> Result<(), QuotaExceeded> {
    let sealed_metadata = |metadata| row::metadata_json(metadata).map_or(0, |json| sealed_length(json.len()));
    let sealed_object = |content| sealed_length(row::object_json(content).len());
    match wanted {
        Wanted::Grant { code, metadata } => {
            quota.check_new(used, bytes(sealed_length(code.byte_count()) + sealed_metadata(metadata)))
        }
        Wanted::GrantChange { before, after } => {
            quota.check_growth(used, bytes(sealed_metadata(after).saturating_sub(sealed_metadata(before))))
        }
        Wanted::Object(content) => quota.check_new(used, bytes(sealed_object(content))),
        Wanted::ObjectChange { before, after } => {
            quota.check_growth(used, bytes(sealed_object(after).saturating_sub(sealed_object(before))))
        }
        Wanted::Objects { count, bytes } => quota.check_more(used, Usage { objects: *count, bytes: *bytes }),
    }
}

/// The number of bytes as the quota counts them.
pub(in crate::store) fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
