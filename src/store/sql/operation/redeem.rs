//! Counting a redemption and writing its ledger row.

use sqlx::Row as _;

use crate::{
    grant::{Admission, CertificateRecord, GrantName},
    store::{
        ChangeEffect, ChangeSubject, CommitError, Receipt, StoreError,
        sql::{
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
    async fn count_and_record(&self, batch: &mut Batch<'_>, id: &str) -> Result<Option<(u32, GrantName)>, Failure> {
        let Self { admission, certificate } = self;
        let place = batch.next_place();
        let rows = sqlx::query(statements::COUNT_AND_RECORD)
            .bind(id)
            .bind(admission.admitted_at().unix_seconds())
            .bind(place)
            .bind(admission.link_name().as_str())
            .bind(admission.subject().as_str())
            .bind(admission.peer().map(|peer| peer.to_string()))
            .bind(&certificate.serial.as_bytes()[..])
            .bind(&certificate.key_fingerprint.as_bytes()[..])
            .bind(certificate.not_after.unix_seconds())
            .fetch_all(&mut *batch.connection)
            .await
            .map_err(|error| Failure::of(error, id))?;
        let Some(row) = rows.first() else { return Ok(None) };
        let ordinal: i64 = row.try_get("ordinal").map_err(|error| Failure::of(error, id))?;
        let ordinal = u32::try_from(ordinal).map_err(|_| corrupt(id, "redemptions"))?;
        let name: &str = row.try_get("grant_name").map_err(|error| Failure::of(error, id))?;
        Ok(Some((ordinal, name.parse().map_err(|_| corrupt(id, "name"))?)))
    }

    /// Why nothing was counted, in the order of the checks of admission: the same transaction sees the same row.
    async fn refusal(&self, batch: &mut Batch<'_>, id: &str) -> Result<CommitError, Failure> {
        let row = sqlx::query(statements::ALLOWANCE)
            .bind(id)
            .fetch_optional(&mut *batch.connection)
            .await
            .map_err(|error| Failure::of(error, id))?;
        let Some(row) = row else { return Ok(CommitError::Gone) };
        let read = |column| row.try_get::<i64, _>(column).map_err(|error| Failure::of(error, id));
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

    async fn apply(&self, batch: &mut Batch<'_>) -> Decision<Self> {
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
