//! Counting a redemption and writing its ledger row.

use sqlx::Row as _;

use crate::{
    grant::{Admission, CertificateRecord},
    store::{
        CommitError, Receipt, StoreError,
        batch::{Batch, Decision, Failure, Operation},
        sql,
    },
};

/// A redemption whose certificate exists and is released to nobody yet.
pub(in crate::store) struct Redeem {
    pub(in crate::store) admission: Admission,
    pub(in crate::store) certificate: CertificateRecord,
}

/// What the count answered.
struct Counted {
    namespace: String,
    name: String,
    ordinal: u32,
}

impl Redeem {
    async fn count(&self, batch: &mut Batch<'_>, id: &str) -> Result<Option<Counted>, Failure> {
        let place = batch.next_place();
        let rows = sqlx::query(sql::COUNT_REDEMPTION)
            .bind(id)
            .bind(self.admission.admitted_at().unix_seconds())
            .bind(place)
            .fetch_all(&mut *batch.connection)
            .await
            .map_err(|error| Failure::of(error, id))?;
        let Some(row) = rows.first() else { return Ok(None) };
        let read = || -> Result<_, sqlx::Error> {
            Ok((row.try_get("namespace")?, row.try_get("name")?, row.try_get::<i64, _>("redemptions")?))
        };
        let (namespace, name, made) = read().map_err(|error| Failure::of(error, id))?;
        let ordinal = u32::try_from(made).map_err(|_| corrupt(id, "redemptions"))?;
        Ok(Some(Counted { namespace, name, ordinal }))
    }

    async fn record(&self, batch: &mut Batch<'_>, id: &str, counted: &Counted) -> Result<(), Failure> {
        let Self { admission, certificate } = self;
        sqlx::query(sql::RECORD_REDEMPTION)
            .bind(id)
            .bind(i64::from(counted.ordinal))
            .bind(&counted.namespace)
            .bind(&counted.name)
            .bind(admission.admitted_at().unix_seconds())
            .bind(admission.link_name().as_str())
            .bind(admission.subject().as_str())
            .bind(admission.peer().map(|peer| peer.to_string()))
            .bind(&certificate.serial.as_bytes()[..])
            .bind(&certificate.key_fingerprint.as_bytes()[..])
            .bind(certificate.not_after.unix_seconds())
            .execute(&mut *batch.connection)
            .await
            .map(drop)
            .map_err(|error| Failure::of(error, id))
    }

    /// Why nothing was counted, in the order of the checks of admission: the same transaction sees the same row.
    async fn refusal(&self, batch: &mut Batch<'_>, id: &str) -> Result<CommitError, Failure> {
        let row = sqlx::query(sql::ALLOWANCE)
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
        let Some(counted) = self.count(batch, &id).await? else { return self.refusal(batch, &id).await.map(Err) };
        self.record(batch, &id, &counted).await?;
        batch.changed(1);
        Ok(Ok(counted.ordinal))
    }

    fn committed(self, ordinal: u32) -> Receipt {
        Receipt::new(self.admission, self.certificate, ordinal)
    }
}
