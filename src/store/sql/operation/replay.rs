//! Recording that a redemption is answered once more: with its certificate, or with a new one.
//!
//! What is recorded is decided from what the same transaction has read before: it excludes all other writers.

use crate::{
    grant::{CertificateRecord, Claim, GrantId, KeyFingerprint, PendingRedemption, Reissue, ReplayKind},
    store::{
        Claimed, CommitError, MOST_REISSUES, MOST_REPLAYS, Recorded, ReplayError, Replayed, ReplayedCertificate,
        StoreError,
        sql::{
            backend::Backend,
            batch::{Batch, Decision, FromStore, Operation},
            failure::Failure,
            row,
            statement::statement,
            statements,
        },
    },
    time::Timestamp,
};

/// A row of the record.
struct Row<'a> {
    id: GrantId,
    ordinal: u32,
    number: u32,
    kind: ReplayKind,
    at: Timestamp,
    peer: Option<std::net::IpAddr>,
    certificate: &'a CertificateRecord,
}

impl Row<'_> {
    async fn insert<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Result<(), Failure> {
        let id = self.id.to_string();
        let peer = self.peer.map(|peer| peer.to_string());
        let record = statement(statements::RECORD_REPLAY)
            .bind(&id)
            .bind(i64::from(self.ordinal))
            .bind(i64::from(self.number))
            .bind(row::replay_kind(self.kind))
            .bind(self.at.unix_seconds())
            .bind(peer.as_deref())
            .bind(&self.certificate.serial.as_bytes()[..])
            .bind(&self.certificate.key_fingerprint.as_bytes()[..])
            .bind(self.certificate.not_after.unix_seconds());
        batch.rows(record, &id).await.map(drop)
    }
}

/// The certificate of a key is sent again, if there is one.
pub(in crate::store) struct RecordReplay {
    pub(in crate::store) claim: Claim,
    pub(in crate::store) key: KeyFingerprint,
}

impl FromStore for ReplayError {
    fn from_store(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Operation for RecordReplay {
    type Output = Option<ReplayedCertificate>;
    type Answer = Claimed;
    type Error = ReplayError;
    const ACTION: &'static str = "record a replay";

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let Self { claim, key } = self;
        let id = claim.grant_id().to_string();
        let issued = statement(statements::ISSUED).bind(&id).bind(&key.as_bytes()[..]);
        let Some(issued) = batch.row(issued, &id).await? else { return Ok(Ok(None)) };
        let recorded = row::repeated(&issued).map_err(Failure::column(&id))?;
        let now = batch.time_of_decision(claim.claimed_at()).await?;
        if now >= recorded.grant_expires_at {
            return Ok(Err(ReplayError::Expired));
        }
        if (claim.link_name(), claim.subject()) != (&recorded.link_name, &recorded.subject) {
            return Ok(Err(ReplayError::OtherName));
        }
        if recorded.made >= MOST_REPLAYS {
            return Ok(Err(ReplayError::TooOften));
        }
        let certificate = row::issued(&issued, recorded.made + 1).map_err(Failure::column(&id))?;
        let row = Row {
            id: claim.grant_id(),
            ordinal: certificate.ordinal,
            number: certificate.number,
            kind: ReplayKind::Replayed,
            at: now,
            peer: claim.peer(),
            certificate: &certificate.record,
        };
        row.insert(batch).await?;
        Ok(Ok(Some(certificate)))
    }

    fn committed(self, certificate: Option<ReplayedCertificate>) -> Claimed {
        match certificate {
            Some(certificate) => Claimed::Known(Box::new(Replayed::new(self.claim, certificate))),
            None => Claimed::New(self.claim),
        }
    }
}

/// A redemption is answered again with a new certificate.
pub(in crate::store) struct RecordReissue {
    pub(in crate::store) attempt: PendingRedemption,
    pub(in crate::store) of: Reissue,
}

impl FromStore for CommitError {
    fn from_store(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Operation for RecordReissue {
    type Output = ();
    type Answer = Recorded;
    type Error = CommitError;
    const ACTION: &'static str = "record that a redemption is repeated";

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let (admission, of) = (self.attempt.admission(), self.of);
        let id = admission.grant_id().to_string();
        let read = statement(statements::REPEATED).bind(&id).bind(i64::from(of.ordinal));
        let Some(read) = batch.row(read, &id).await? else { return Ok(Err(CommitError::NotRepeatable)) };
        let recorded = row::repeated(&read).map_err(Failure::column(&id))?;
        let now = batch.time_of_decision(admission.admitted_at()).await?;
        if now >= recorded.grant_expires_at {
            return Ok(Err(CommitError::Expired));
        }
        let is_same = (admission.link_name(), admission.subject()) == (&recorded.link_name, &recorded.subject);
        if !is_same || recorded.redeemed_at < of.since || recorded.made >= MOST_REISSUES {
            return Ok(Err(CommitError::NotRepeatable));
        }
        let row = Row {
            id: admission.grant_id(),
            ordinal: of.ordinal,
            number: recorded.made + 1,
            kind: ReplayKind::Reissued,
            at: now,
            peer: admission.peer(),
            certificate: self.attempt.certificate(),
        };
        row.insert(batch).await?;
        Ok(Ok(()))
    }

    fn committed(self, (): ()) -> Recorded {
        Recorded::new(self.attempt, self.of.ordinal)
    }
}
