//! Changing what an operator may change.

use std::sync::Arc;

use crate::{
    grant::{Grant, GrantId, IssuerName, Revision},
    store::{
        GrantChange, UpdateError,
        batch::{Batch, Decision, Failure, Operation},
        row,
        seal::SealingKey,
        sql,
    },
};

/// A change with its metadata sealed.
pub(in crate::store) struct Update {
    pub(in crate::store) id: GrantId,
    pub(in crate::store) expected: Revision,
    pub(in crate::store) change: GrantChange,
    pub(in crate::store) sealed_metadata: Option<Vec<u8>>,
    pub(in crate::store) key: Arc<SealingKey>,
}

impl Operation for Update {
    type Output = Grant;
    type Answer = Grant;
    type Error = UpdateError;
    const ACTION: &'static str = "change a grant";

    async fn apply(&self, batch: &mut Batch<'_>) -> Decision<Self> {
        let (id, change) = (self.id.to_string(), &self.change);
        let place = batch.next_place();
        let rows = sqlx::query(sql::UPDATE)
            .bind(&id)
            .bind(self.expected.0.cast_signed())
            .bind(i64::from(change.allowance.allowed()))
            .bind(change.issuer.as_ref().map(IssuerName::as_str))
            .bind(row::origin(change.code_origin))
            .bind(change.window.to_string())
            .bind(self.sealed_metadata.as_deref())
            .bind(change.generation.cast_signed())
            .bind(place)
            .fetch_all(&mut *batch.connection)
            .await
            .map_err(|error| Failure::of(error, &id))?;
        if let Some(updated) = rows.first() {
            let grant = row::grant(updated, &self.key)?;
            batch.changed(1);
            return Ok(Ok(grant));
        }
        let present = sqlx::query(sql::EXISTS)
            .bind(&id)
            .fetch_optional(&mut *batch.connection)
            .await
            .map_err(|error| Failure::of(error, &id))?;
        Ok(Err(if present.is_some() { UpdateError::Conflict } else { UpdateError::Gone }))
    }

    fn committed(self, grant: Grant) -> Grant {
        grant
    }
}
