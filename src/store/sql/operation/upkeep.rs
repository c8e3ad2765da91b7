//! Sweeping, moving the revision on, and checking that writing works.

use std::sync::Arc;

use crate::{
    grant::{GrantId, Revision},
    store::{
        StoreError, StoreFailure,
        sql::{
            backend::Backend,
            batch::{Batch, Decision, Operation},
            failure::{Failure, database, revision_of},
            row,
            seal::SealingKey,
            statement::{Columns as _, statement},
            statements,
        },
    },
    time::Timestamp,
};

/// The removal of grants that expired or were used up long ago.
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

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let mut removed = 0;
        for text in [statements::SWEEP_EXPIRED, statements::SWEEP_USED_UP] {
            let sweep = statement(text).bind(self.cutoff.unix_seconds()).bind(i64::from(self.limit - removed));
            let rows = batch.rows(sweep, "(sweep)").await?;
            for row in &rows {
                match row::removed(row, &self.key) {
                    Some((subject, effect)) => batch.changed(subject, effect),
                    None => batch.changed_without_entry(),
                }
            }
            // Cannot overflow: no more than the limit, which is a u32.
            removed += u32::try_from(rows.len()).unwrap_or(0).min(self.limit - removed);
        }
        Ok(Ok(removed))
    }

    fn committed(self, removed: u32) -> u32 {
        removed
    }
}

/// A new revision without any other change.
pub(in crate::store) struct Advance;

impl Operation for Advance {
    type Output = Revision;
    type Answer = Revision;
    type Error = StoreError;
    const ACTION: &'static str = "advance the revision";

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let row = batch.execute(statement(statements::REVISION)).await?.ok_or_else(missing)?;
        let before = revision_of(&row, "revision", "(store)")?;
        let revision = Revision(before.0.saturating_add(batch.next_place().cast_unsigned()));
        batch.changed_without_entry();
        Ok(Ok(revision))
    }

    fn committed(self, revision: Revision) -> Revision {
        revision
    }
}

/// A write without meaning that takes the way of a redemption: the same queue and commit, the same tables, and as many pages.
pub(in crate::store) struct Check {
    /// The schema this program was made for.
    pub(in crate::store) schema: i64,
    /// The grant whose redemption failed last, as its pages may be the damaged ones.
    pub(in crate::store) suspect: Option<GrantId>,
}

/// The size of the row that a check writes, as the schema demands.
const FILLING_BYTES: usize = 40_000;

impl Operation for Check {
    type Output = ();
    type Answer = ();
    type Error = StoreError;
    const ACTION: &'static str = "make a test write";

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        batch.control(statements::HEARTBEAT).await?;
        let filling = filling();
        batch.execute(statement(statements::FILL_READINESS).bind(&*filling)).await?;
        let suspect = self.suspect.map(|id| id.to_string());
        batch.control(statements::SAVEPOINT_WRITES).await?;
        match touch(batch, suspect.as_deref()).await {
            Ok(()) => {}
            // The row breaks a rule: its redemptions fail for that, and others do not. PostgreSQL runs no statement after one
            // that failed, before this.
            Err(Failure::Row(_)) => batch.control(statements::ROLLBACK_TO_SAVEPOINT_WRITES).await?,
            Err(failure @ (Failure::Transaction(_) | Failure::Database(_))) => return Err(failure),
        }
        batch.control(statements::RELEASE_SAVEPOINT_WRITES).await?;
        let row = batch.execute(statement(statements::SCHEMA_VERSION)).await?.ok_or_else(missing)?;
        let found = row.integer("version").map_err(Failure::column("(store)"))?;
        if found == self.schema {
            return Ok(Ok(()));
        }
        let source = StoreFailure::SchemaChanged { found, known: self.schema };
        Ok(Err(StoreError::Unavailable { action: Self::ACTION, source }))
    }

    fn committed(self, (): ()) {}
}

/// Writes the row of a grant and reads its last ledger row.
async fn touch<B: Backend>(batch: &mut Batch<'_, B>, uid: Option<&str>) -> Result<(), Failure> {
    const ID: &str = "(check)";
    let Some(row) = batch.row(statement(statements::TOUCH_GRANT).bind(uid), ID).await? else { return Ok(()) };
    let uid = row.text("uid").map_err(Failure::column(ID))?;
    batch.rows(statement(statements::LAST_REDEMPTION).bind(uid), ID).await.map(drop)
}

/// Bytes that differ from those of the check before on every page.
fn filling() -> Vec<u8> {
    uuid::Uuid::new_v4().into_bytes().into_iter().cycle().take(FILLING_BYTES).collect()
}

/// The failure when a statement that always has a row has none.
fn missing() -> Failure {
    database(sqlx::Error::RowNotFound)
}
