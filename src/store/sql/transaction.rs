//! One transaction of operations: they are applied together, or each behind a savepoint of its own.

use super::{
    backend::{Backend, Connection},
    batch::{Batch, Queued},
    failure::{Failure, database},
    guard::{RevisionGuard, StoreState},
    statement::statement,
    statements,
};
use crate::{
    grant::Revision,
    store::{Changes, changes::Committed},
};

/// Whether the operations of a batch fail together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// One failure rolls all of them back. The usual case, as operations hardly ever fail.
    Together,
    /// Each has a savepoint, so that one that breaks a rule of the schema is undone alone.
    Apart,
}

/// Applies the operations in the transaction that has begun, and commits it. Returns the changes, `None` when there are none.
pub(super) async fn fill_and_commit<B: Backend>(
    connection: &mut Connection<B>,
    operations: &mut [Box<dyn Queued<B>>],
    isolation: Isolation,
    changes: &Changes,
    guard: &RevisionGuard,
) -> Result<Option<Committed>, Failure> {
    let mut batch = Batch::<B>::new(connection);
    for operation in operations {
        match isolation {
            Isolation::Together => operation.apply(&mut batch).await?,
            Isolation::Apart => apply_apart(operation.as_mut(), &mut batch).await?,
        }
    }
    let state = advance_revision(&mut batch).await?;
    let (head, made) = (state.revision, batch.changes());
    let before = Revision(head.0.saturating_sub(made.into()));
    guard.check(before).map_err(Failure::Database)?;
    changes.announce(made);
    batch.control(statements::COMMIT).await?;
    guard.committed(state);
    Ok((made > 0).then(|| Committed { before, head, pending: batch.into_pending() }))
}

/// Moves the store's revision past the changes of the batch, if there are any, and answers the state of the store.
async fn advance_revision<B: Backend>(batch: &mut Batch<'_, B>) -> Result<StoreState, Failure> {
    let advance = match batch.changes() {
        0 => statement(statements::STATE),
        changes => statement(statements::ADVANCE_REVISION).bind(i64::from(changes)),
    };
    let row = batch.execute(advance).await?.ok_or_else(|| database(sqlx::Error::RowNotFound))?;
    match StoreState::of(&row) {
        Ok(state) => Ok(state),
        // The revision belongs to no single operation, so all of them fail.
        Err(Failure::Row(error)) => Err(database(sqlx::Error::Decode(error.into()))),
        Err(failure @ (Failure::Transaction(_) | Failure::Database(_))) => Err(failure),
    }
}

async fn apply_apart<B: Backend>(operation: &mut dyn Queued<B>, batch: &mut Batch<'_, B>) -> Result<(), Failure> {
    let before = batch.changes();
    batch.control(statements::SAVEPOINT).await?;
    match operation.apply(batch).await {
        Ok(()) => {}
        Err(Failure::Row(error)) => {
            batch.control(statements::ROLLBACK_TO_SAVEPOINT).await?;
            batch.forget_changes_after(before);
            operation.reject(error);
        }
        Err(failure @ (Failure::Transaction(_) | Failure::Database(_))) => return Err(failure),
    }
    batch.control(statements::RELEASE_SAVEPOINT).await
}
