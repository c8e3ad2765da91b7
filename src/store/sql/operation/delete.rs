//! Removing a grant.

use std::sync::Arc;

use sqlx::Row as _;

use crate::{
    grant::{GrantName, Namespace, Revision},
    store::{
        Deleted, UpdateError,
        sql::{
            batch::{Batch, Decision, Failure, Operation, revision_of},
            row,
            seal::SealingKey,
            statements,
        },
    },
};

/// A removal. Needs nothing of the row, so that a corrupt one can be removed too.
pub(in crate::store) struct Delete {
    pub(in crate::store) namespace: Namespace,
    pub(in crate::store) name: GrantName,
    pub(in crate::store) expected: Option<Revision>,
    pub(in crate::store) key: Arc<SealingKey>,
}

impl Operation for Delete {
    type Output = Option<Deleted>;
    type Answer = Option<Deleted>;
    type Error = UpdateError;
    const ACTION: &'static str = "remove a grant";

    async fn apply(&self, batch: &mut Batch<'_>) -> Decision<Self> {
        let failure = |error| Failure::of(error, &format_args!("{}/{}", self.namespace, self.name));
        let place = batch.next_place();
        let rows = sqlx::query(statements::DELETE)
            .bind(self.namespace.as_str())
            .bind(self.name.as_str())
            .bind(self.expected.map(|revision| revision.0.cast_signed()))
            .bind(place)
            .fetch_all(&mut *batch.connection)
            .await
            .map_err(failure)?;
        if let Some(removed) = rows.first() {
            let id = row::uid(removed);
            let revision = revision_of(removed.try_get("deleted_revision").map_err(failure)?, &id)?;
            match row::removed(removed, &self.key) {
                Some((subject, effect)) => batch.changed(subject, effect),
                None => batch.changed_untold(),
            }
            return Ok(Ok(Some(Deleted { id, revision })));
        }
        let present = sqlx::query(statements::NAME_EXISTS)
            .bind(self.namespace.as_str())
            .bind(self.name.as_str())
            .fetch_optional(&mut *batch.connection)
            .await
            .map_err(failure)?;
        Ok(if present.is_some() { Err(UpdateError::Conflict) } else { Ok(None) })
    }

    fn committed(self, deleted: Option<Deleted>) -> Option<Deleted> {
        deleted
    }
}
