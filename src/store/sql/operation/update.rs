//! Changing what an operator may change.

use std::sync::Arc;

use crate::{
    grant::{Grant, GrantId, IssuerName, Revision},
    store::{
        ChangeEffect, ChangeSubject, GrantChange, Labels, UpdateError,
        sql::{
            backend::Backend,
            batch::{Batch, Decision, Operation},
            failure::Failure,
            row,
            seal::SealingKey,
            statement::statement,
            statements,
        },
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

impl Update {
    /// The labels that the grant has now, if it is at the expected revision.
    async fn labels<B: Backend>(&self, batch: &mut Batch<'_, B>, id: &str) -> Result<Option<Labels>, Failure> {
        let read = statement(statements::METADATA_AT).bind(id).bind(self.expected.0.cast_signed());
        Ok(batch.row(read, id).await?.map(|row| row::labels(&row, self.id, &self.key)))
    }
}

impl Operation for Update {
    type Output = Grant;
    type Answer = Grant;
    type Error = UpdateError;
    const ACTION: &'static str = "change a grant";

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let (id, change) = (self.id.to_string(), &self.change);
        let labels_before = self.labels(batch, &id).await?.filter(|labels| *labels != change.metadata.labels);
        let window = change.window.to_string();
        let update = statement(statements::UPDATE)
            .bind(&id)
            .bind(self.expected.0.cast_signed())
            .bind(i64::from(change.allowance.allowed()))
            .bind(change.issuer.as_ref().map(IssuerName::as_str))
            .bind(row::origin(change.code_origin))
            .bind(&window)
            .bind(self.sealed_metadata.as_deref())
            .bind(change.generation.cast_signed())
            .bind(batch.next_place());
        if let Some(updated) = batch.row(update, &id).await? {
            let grant = row::grant(&updated, &self.key)?;
            let (id, namespace, name) = (grant.id, grant.namespace.clone(), grant.name.clone());
            batch.changed(ChangeSubject::Grant { id, namespace, name }, ChangeEffect::Modified { labels_before });
            return Ok(Ok(grant));
        }
        let present = batch.row(statement(statements::EXISTS).bind(&id), &id).await?;
        Ok(Err(if present.is_some() { UpdateError::Conflict } else { UpdateError::Gone }))
    }

    fn committed(self, grant: Grant) -> Grant {
        grant
    }
}
