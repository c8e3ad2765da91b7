//! Storing a new grant.

use crate::{
    grant::{Allowance, Grant, Revision},
    store::{
        ChangeEffect, ChangeSubject, CreateError, NewGrant, Quota, StoreError,
        sql::{
            backend::Backend,
            batch::{Batch, Decision, Operation},
            failure::revision_of,
            operation::usage::{bytes, usage},
            row,
            statement::statement,
            statements,
        },
    },
};

/// A new grant with its secrets sealed.
pub(in crate::store) struct Create {
    pub(in crate::store) grant: NewGrant,
    pub(in crate::store) allowance: Allowance,
    pub(in crate::store) sealed_code: Vec<u8>,
    pub(in crate::store) sealed_metadata: Option<Vec<u8>>,
    pub(in crate::store) quota: Quota,
}

impl Operation for Create {
    type Output = Revision;
    type Answer = Grant;
    type Error = CreateError;
    const ACTION: &'static str = "store a grant";

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let grant = &self.grant;
        let length = self.sealed_code.len() + self.sealed_metadata.as_ref().map_or(0, Vec::len);
        let used = usage(batch, &grant.namespace).await?;
        if let Err(exceeded) = self.quota.check_new(used, bytes(length)) {
            return Ok(Err(CreateError::Quota(exceeded)));
        }
        let place = batch.next_place();
        let id = grant.id.to_string();
        let terms = row::TermValues::of(&grant.terms);
        let insert = statement(statements::CREATE)
            .bind(&id)
            .bind(grant.namespace.as_str())
            .bind(grant.name.as_str())
            .bind(&*self.sealed_code)
            .bind(row::origin(grant.code_origin))
            .bind(i64::from(self.allowance.allowed()))
            .bind(grant.expires_at.unix_seconds())
            .bind(grant.created_at.unix_seconds())
            .bind(1_i64)
            .bind(self.sealed_metadata.as_deref())
            .bind(place);
        let insert = terms.bind_to(insert);
        let Some(row) = batch.row(insert, &id).await? else { return Ok(Err(CreateError::NameTaken)) };
        let revision = revision_of(&row, "revision", &id)?;
        let (namespace, name) = (grant.namespace.clone(), grant.name.clone());
        batch.changed(ChangeSubject::Grant { id: grant.id, namespace, name }, ChangeEffect::Added);
        Ok(Ok(revision))
    }

    fn committed(self, revision: Revision) -> Grant {
        stored(self.grant, self.allowance, revision)
    }
}

/// The new grant, with what the store adds to it.
pub(in crate::store) fn stored(grant: NewGrant, allowance: Allowance, revision: Revision) -> Grant {
    Grant {
        id: grant.id,
        namespace: grant.namespace,
        name: grant.name,
        code: grant.code,
        code_origin: grant.code_origin,
        allowance,
        terms: grant.terms,
        expires_at: grant.expires_at,
        created_at: grant.created_at,
        last_redeemed_at: None,
        generation: 1,
        revision,
        metadata: grant.metadata,
    }
}

/// The allowance of a new grant.
///
/// # Errors
/// [`StoreError::Corrupt`] when it allows nothing or too much, which no caller that parsed its input asks for.
pub(in crate::store) fn new_allowance(grant: &NewGrant) -> Result<Allowance, StoreError> {
    Allowance::new(grant.allowed, 0)
        .map_err(|_| StoreError::Corrupt { id: grant.id.to_string(), what: "redemptions_allowed" })
}
