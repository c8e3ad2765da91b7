//! Sweeping, moving the revision on, and checking that writing works.

use std::sync::Arc;

use sqlx::Row as _;

use crate::{
    grant::Revision,
    store::{
        StoreError, StoreFailure,
        sql::{
            batch::{Batch, Decision, Failure, Operation, revision_of},
            row,
            seal::SealingKey,
            statements,
        },
    },
    time::Timestamp,
};

/// The removal of grants whose time is long over, or that were used up long ago.
pub(in crate::store) struct Sweep {
    pub(in crate::store) cutoff: Timestamp,
    pub(in crate::store) limit: u32,
    pub(in crate::store) key: Arc<SealingKey>,
}

impl Operation for Sweep {
    type Output = u32;
    type Answer = u32;
    type Error = StoreError;
    const ACTION: &'static str = "sweep old grants";

    async fn apply(&self, batch: &mut Batch<'_>) -> Decision<Self> {
        let mut removed = 0;
        for statement in [statements::SWEEP_EXPIRED, statements::SWEEP_USED_UP] {
            let rows = sqlx::query(statement)
                .bind(self.cutoff.unix_seconds())
                .bind(i64::from(self.limit - removed))
                .fetch_all(&mut *batch.connection)
                .await
                .map_err(|error| Failure::of(error, "(sweep)"))?;
            for row in &rows {
                match row::removed(row, &self.key) {
                    Some((subject, effect)) => batch.changed(subject, effect),
                    None => batch.changed_untold(),
                }
            }
            // No more than the limit, which is a u32.
            removed += u32::try_from(rows.len()).unwrap_or(0).min(self.limit - removed);
        }
        Ok(Ok(removed))
    }

    fn committed(self, removed: u32) -> u32 {
        removed
    }
}

/// A change of nothing that is stored.
pub(in crate::store) struct Advance;

impl Operation for Advance {
    type Output = Revision;
    type Answer = Revision;
    type Error = StoreError;
    const ACTION: &'static str = "advance the revision";

    async fn apply(&self, batch: &mut Batch<'_>) -> Decision<Self> {
        let failure = |error| Failure::of(error, "(store)");
        let row = sqlx::query(statements::REVISION).fetch_one(&mut *batch.connection).await.map_err(failure)?;
        let before: i64 = row.try_get("revision").map_err(failure)?;
        let revision = revision_of(before.saturating_add(batch.next_place()), &"(store)")?;
        batch.changed_untold();
        Ok(Ok(revision))
    }

    fn committed(self, revision: Revision) -> Revision {
        revision
    }
}

/// A write that means nothing, through the queue and the commit that redemptions take.
pub(in crate::store) struct Check {
    /// The schema this program was made for.
    pub(in crate::store) schema: i64,
}

impl Operation for Check {
    type Output = ();
    type Answer = ();
    type Error = StoreError;
    const ACTION: &'static str = "write to the grant store";

    async fn apply(&self, batch: &mut Batch<'_>) -> Decision<Self> {
        let database = |error| Failure::Database(Arc::new(error));
        sqlx::query(statements::BEAT).execute(&mut *batch.connection).await.map_err(database)?;
        let row = sqlx::query(statements::SCHEMA_VERSION).fetch_one(&mut *batch.connection).await.map_err(database)?;
        let found: i64 = row.try_get("version").map_err(database)?;
        if found == self.schema {
            return Ok(Ok(()));
        }
        let source = StoreFailure::SchemaChanged { found, known: self.schema };
        Ok(Err(StoreError::Unavailable { action: Self::ACTION, source }))
    }

    fn committed(self, (): ()) {}
}
