//! An operator acknowledges that the database was put back.

use crate::{
    store::{
        StoreError,
        sql::{
            backend::Backend,
            batch::{Batch, Decision, Operation},
            failure::{Failure, database},
            guard::StoreState,
            statement::{Columns as _, statement},
            statements,
        },
    },
    time::Timestamp,
};

/// Ends the time of the grants that could be redeemed now, and that redemptions are refused.
pub(in crate::store) struct AcknowledgeRollback {
    pub(in crate::store) now: Timestamp,
}

impl Operation for AcknowledgeRollback {
    type Output = Option<u64>;
    type Answer = Option<u64>;
    type Error = StoreError;
    const ACTION: &'static str = "acknowledge that the database was put back";

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let missing = || database(sqlx::Error::RowNotFound);
        let state = StoreState::of(&batch.execute(statement(statements::STATE)).await?.ok_or_else(missing)?)?;
        if state.rollback.is_none() {
            return Ok(Ok(None));
        }
        let now = self.now.unix_seconds();
        let row = batch.execute(statement(statements::COUNT_OPEN).bind(now)).await?.ok_or_else(missing)?;
        let open = row.integer("open").map_err(Failure::column("(store)"))?;
        batch.execute(statement(statements::EXPIRE_OPEN).bind(now).bind(batch.next_place())).await?;
        batch.control(statements::ACKNOWLEDGE_ROLLBACK).await?;
        batch.changed_without_entry();
        Ok(Ok(Some(open.unsigned_abs())))
    }

    fn committed(self, expired: Option<u64>) -> Option<u64> {
        expired
    }
}
