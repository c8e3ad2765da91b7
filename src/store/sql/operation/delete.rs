//! Removing a grant.

use std::sync::Arc;

use crate::{
    grant::{GrantName, Namespace, Revision},
    store::{
        Deleted, UpdateError,
        sql::{
            backend::Backend,
            batch::{Batch, Decision, Operation},
            failure::revision_of,
            row,
            seal::SealingKey,
            statement::statement,
            statements,
        },
    },
};

/// A removal. It does not parse the row, so that a corrupt one can be removed too.
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

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let (namespace, name) = (self.namespace.as_str(), self.name.as_str());
        let id = format!("{namespace}/{name}");
        let delete = statement(statements::DELETE)
            .bind(namespace)
            .bind(name)
            .bind(self.expected.map(|revision| revision.0.cast_signed()))
            .bind(batch.next_place());
        if let Some(removed) = batch.row(delete, &id).await? {
            let id = row::uid(&removed);
            let revision = revision_of(&removed, "deleted_revision", &id)?;
            match row::removed(&removed, &self.key) {
                Some((subject, effect)) => batch.changed(subject, effect),
                None => batch.changed_without_entry(),
            }
            return Ok(Ok(Some(Deleted { id, revision })));
        }
        let present = batch.row(statement(statements::NAME_EXISTS).bind(namespace).bind(name), &id).await?;
        Ok(if present.is_some() { Err(UpdateError::Conflict) } else { Ok(None) })
    }

    fn committed(self, deleted: Option<Deleted>) -> Option<Deleted> {
        deleted
    }
}
