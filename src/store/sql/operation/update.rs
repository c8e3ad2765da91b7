//! Changing a grant.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::{
    grant::{Grant, GrantId, Revision},
    store::{
        ChangeEffect, ChangeSubject, GrantChange, Quota, StoreError, StoreFailure, UpdateError,
        sql::{
            backend::Backend,
            batch::{Batch, Decision, Operation},
            failure::Failure,
            operation::usage::{bytes, usage},
            row,
            seal::{OfGrant, Purpose, SealingKey},
            statement::{Columns as _, statement},
            statements,
        },
    },
};

/// A change with its metadata in plain text. It is sealed in the transaction, because it is sealed for the grant's name,
/// which is only known there.
pub(in crate::store) struct Update {
    pub(in crate::store) id: GrantId,
    pub(in crate::store) expected: Revision,
    pub(in crate::store) change: GrantChange,
    pub(in crate::store) metadata: Option<Zeroizing<Vec<u8>>>,
    pub(in crate::store) key: Arc<SealingKey>,
    pub(in crate::store) quota: Quota,
}

impl Operation for Update {
    type Output = Grant;
    type Answer = Grant;
    type Error = UpdateError;
    const ACTION: &'static str = "change a grant";

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let (id, change) = (self.id.to_string(), &self.change);
        let read = statement(statements::METADATA_AT).bind(&id).bind(self.expected.0.cast_signed());
        let Some(current) = batch.row(read, &id).await? else {
            let present = batch.row(statement(statements::EXISTS).bind(&id), &id).await?;
            return Ok(Err(if present.is_some() { UpdateError::Conflict } else { UpdateError::Gone }));
        };
        let (namespace, name) = row::place(&current).map_err(Failure::column(&id))?;
        let place = OfGrant { namespace: &namespace, name: &name, id: self.id };
        let labels_before =
            Some(row::labels(&current, place, &self.key)).filter(|labels| *labels != change.metadata.labels);
        let sealed = self.metadata.as_deref().map(|json| self.key.seal(json, Purpose::Metadata(place))).transpose();
        let sealed_metadata = match sealed {
            Ok(sealed) => sealed,
            Err(error) => {
                let source = StoreFailure::Sealing(error);
                return Ok(Err(UpdateError::Store(StoreError::Unavailable { action: "seal metadata", source })));
            }
        };
        let before = current.optional_bytes("sealed_metadata").map_err(Failure::column(&id))?.map_or(0, <[u8]>::len);
        let growth = sealed_metadata.as_ref().map_or(0, Vec::len).saturating_sub(before);
        let used = usage(batch, &namespace).await?;
        if let Err(exceeded) = self.quota.check_growth(used, bytes(growth)) {
            return Ok(Err(UpdateError::Quota(exceeded)));
        }
        let terms = row::TermValues::of(&change.terms);
        let update = statement(statements::UPDATE)
            .bind(&id)
            .bind(self.expected.0.cast_signed())
            .bind(i64::from(change.allowance.allowed()))
            .bind(row::origin(change.code_origin))
            .bind(sealed_metadata.as_deref())
            .bind(change.generation.cast_signed())
            .bind(batch.next_place());
        let update = terms.bind_to(update);
        // The statement has compared the allowance with the stored count.
        let Some(updated) = batch.row(update, &id).await? else { return Ok(Err(UpdateError::Conflict)) };
        let grant = row::grant(&updated, &self.key)?;
        let (id, namespace, name) = (grant.id, grant.namespace.clone(), grant.name.clone());
        batch.changed(ChangeSubject::Grant { id, namespace, name }, ChangeEffect::Modified { labels_before });
        Ok(Ok(grant))
    }

    fn committed(self, grant: Grant) -> Grant {
        grant
    }
}
