//! Counting a redemption and writing its ledger row.

use crate::{
    grant::{Admission, CertificateRecord, GrantName},
    store::{
        ChangeEffect, ChangeSubject, CommitError, Receipt, StoreError,
        sql::{
            backend::{Backend, Columns as _, statement},
            batch::{Batch, Decision, Failure, Operation},
            statements,
        },
    },
};

/// A redemption whose certificate exists and is released to nobody yet.
pub(in crate::store) struct Redeem {
    pub(in crate::store) admission: Admission,
    pub(in crate::store) certificate: CertificateRecord,
}

impl Redeem {
    /// Counts, and writes the ledger row if anything was counted. Answers the ordinal, and what the grant is called.
    async fn count_and_record<B: Backend>(
        &self,
        batch: &mut Batch<'_, B>,
        id: &str,
    ) -> Result<Option<(u32, GrantName)>, Failure> {
        let Self { admission, certificate } = self;
        let peer = admission.peer().map(|peer| peer.to_string());
        let redeem = statement(statements::COUNT_AND_RECORD)
            .bind(id)
            .bind(admission.admitted_at().unix_seconds())
            .bind(batch.next_place())
            .bind(admission.link_name().as_str())
            .bind(admission.subject().as_str())
            .bind(peer.as_deref())
            .bind(&certificate.serial.as_bytes()[..])
            .bind(&certificate.key_fingerprint.as_bytes()[..])
            .bind(certificate.not_after.unix_seconds());
        let Some(row) = batch.row(redeem, id).await? else { return Ok(None) };
        let ordinal = row.integer("ordinal").map_err(Failure::column(id))?;
        let ordinal = u32::try_from(ordinal).map_err(|_| corrupt(id, "redemptions"))?;
        let name = row.text("grant_name").map_err(Failure::column(id))?;
        Ok(Some((ordinal, name.parse().map_err(|_| corrupt(id, "name"))?)))
    }

    /// Why nothing was counted, in the order of the checks of admission: the same transaction sees the same row.
    async fn refusal<B: Backend>(&self, batch: &mut Batch<'_, B>, id: &str) -> Result<CommitError, Failure> {
        let row = batch.row(statement(statements::ALLOWANCE).bind(id), id).await?;
        let Some(row) = row else { return Ok(CommitError::Gone) };
        let read = |column| row.integer(column).map_err(Failure::column(id));
        if self.admission.admitted_at().unix_seconds() >= read("expires_at")? {
            Ok(CommitError::Expired)
        } else if read("redemptions")? >= read("redemptions_allowed")? {
            Ok(CommitError::Exhausted)
        } else {
            Err(corrupt(id, "redemptions"))
        }
    }
}

fn corrupt(id: &str, what: &'static str) -> Failure {
    Failure::Row(StoreError::Corrupt { id: id.to_owned(), what })
}

impl Operation for Redeem {
    type Output = u32;
    type Answer = Receipt;
    type Error = CommitError;
    const ACTION: &'static str = "count a redemption";

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let id = self.admission.grant_id().to_string();
        let Some((ordinal, name)) = self.count_and_record(batch, &id).await? else {
            return self.refusal(batch, &id).await.map(Err);
        };
        let (id, namespace) = (self.admission.grant_id(), self.admission.namespace().clone());
        let subject = ChangeSubject::Grant { id, namespace, name };
        batch.changed(subject, ChangeEffect::Modified { labels_before: None });
        Ok(Ok(ordinal))
    }

    fn committed(self, ordinal: u32) -> Receipt {
        Receipt::new(self.admission, self.certificate, ordinal)
    }
}
