//! A redemption, from a well-formed request to a bundle: read, admit, sign, commit, release. The file `issue.rs` has the part
//! between.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout_at;
use tracing::{error, info, warn};

use super::{
    bundle::LinkBundle, chain::chain, redeem_error::RedeemError, refusals::RefusedRequest, service::App,
    sites::ConfiguredSite,
};
use crate::{
    grant::{GrantId, RedemptionRequest, Refusal, Signed},
    metrics::{FailureReason, Metrics, Phase, RefusalReason, StoreOperation},
    pki::{ClientCredential, IssueError, Issuer, Profile},
    store::{CommitError, StoreError},
};

/// Who makes the key pair of a redemption.
#[derive(Debug)]
pub enum KeyOrigin {
    /// grantd makes it, and sends it with the certificate.
    Server,
    /// The client has made it, and sends a request for its certificate (PKCS#10 in DER).
    Client(Vec<u8>),
}

/// A bundle, and whether it was counted.
pub(super) enum Redeemed {
    Counted(LinkBundle),
    /// It repeats one that was counted.
    Again(LinkBundle),
}

/// Measures the parts of a redemption.
pub(super) struct Phases<'a> {
    metrics: &'a Metrics,
    begun: Instant,
}

impl<'a> Phases<'a> {
    fn of(metrics: &'a Metrics) -> Self {
        Self { metrics, begun: Instant::now() }
    }

    /// The part that began with the end of the one before has ended.
    pub(super) fn end(&mut self, phase: Phase) {
        self.metrics.phase(phase, self.begun.elapsed());
        self.begun = Instant::now();
    }
}

impl App {
    /// Counts and logs a refused request; `took` from the complete request on. To be called inside a Tokio runtime.
    pub fn refuse(&self, refused: &RefusedRequest<'_>, took: Duration) {
        self.metrics().refused(refused.reason, took);
        self.refusals.log(refused);
    }

    /// Redeems a grant once: at most one count, and a bundle only after that count is durable. A client that asks once more
    /// for the same is answered once more, uncounted: with the same key of its own, or within the retry window.
    ///
    /// To be run on a task of its own, so that a caller that goes away cannot stop it half-way. After `deadline` no commit
    /// is asked for any more, because the caller has stopped waiting. To drop the future is safe: a commit that the store has
    /// not begun by then is not made. The same happens when `hung_up` ends, which is to say that the client has gone.
    ///
    /// # Errors
    /// [`RedeemError`]; then nothing was counted, save when the store lost its answer to a commit.
    pub async fn redeem(
        &self,
        id: GrantId,
        request: RedemptionRequest,
        key: KeyOrigin,
        deadline: Instant,
        hung_up: impl Future<Output = ()> + Send,
    ) -> Result<LinkBundle, RedeemError> {
        let (started, peer) = (Instant::now(), request.peer);
        let outcome = tokio::select! {
            // What is counted is to be answered, also when both happen at once.
            biased;
            outcome = self.answer(id, &request, key, deadline) => outcome,
            () = hung_up => Err(RedeemError::HungUp),
        };
        match outcome {
            Ok(Redeemed::Counted(bundle)) => {
                self.metrics().redeemed(started.elapsed());
                Ok(bundle)
            }
            Ok(Redeemed::Again(bundle)) => {
                self.metrics().replayed(started.elapsed());
                Ok(bundle)
            }
            Err(error) => {
                self.report(id, peer, &error, started);
                Err(error)
            }
        }
    }

    async fn answer(
        &self,
        id: GrantId,
        request: &RedemptionRequest,
        key: KeyOrigin,
        deadline: Instant,
    ) -> Result<Redeemed, RedeemError> {
        let mut phases = Phases::of(self.metrics());
        let grant = self.store.get(id).await.map_err(unreadable)?.ok_or(RedeemError::Unknown)?;
        phases.end(Phase::Read);
        let now = self.time().map_err(RedeemError::Clock)?;
        // Before anything is signed; the store decides once more.
        self.rollback().map_or(Ok(()), |rollback| Err(RedeemError::RolledBack(rollback)))?;
        let claim = self.wrong_codes.claim(&grant, request, now, Instant::now())?;
        self.issue(&grant, request, claim, key, phases, deadline).await
    }

    /// Counts and records what was signed, and releases it.
    pub(super) async fn commit(
        &self,
        signed: Signed<ClientCredential>,
        (site, issuer): (&ConfiguredSite, &Issuer),
        phases: &mut Phases<'_>,
        deadline: Instant,
    ) -> Result<Redeemed, CommitRefusal> {
        if Instant::now() >= deadline {
            return Err(RedeemError::Overdue.into());
        }
        let receipt = self.store.commit(signed).await.map_err(uncounted)?;
        phases.end(Phase::Commit);
        let is_counted = receipt.is_counted();
        info!(
            grant.id = %receipt.grant_id(),
            grant.namespace = %receipt.namespace(),
            redemption.ordinal = receipt.ordinal(),
            redemption.serial = %receipt.certificate().serial,
            peer = receipt.peer().map(tracing::field::display),
            link.name = %receipt.link_name(),
            // As a text, which the log quotes: a subject may have blanks and equals signs in it.
            link.subject = receipt.subject().as_str(),
            "{}",
            if is_counted { "grant redeemed" } else { "redemption answered again with a new certificate" }
        );
        let bundle = LinkBundle::new(receipt, issuer, site.site());
        Ok(if is_counted { Redeemed::Counted(bundle) } else { Redeemed::Again(bundle) })
    }

    /// Makes a certificate: at once when that takes microseconds, else on a thread that may block.
    pub(super) async fn sign(
        &self,
        issuer: &Arc<Issuer>,
        is_slow: bool,
        deadline: Instant,
        issue: impl FnOnce(&Issuer, &Profile) -> Result<Signed<ClientCredential>, IssueError> + Send + 'static,
    ) -> Result<Signed<ClientCredential>, RedeemError> {
        let profile = self.profile;
        if !is_slow {
            return issue(issuer, &profile).map_err(RedeemError::Issue);
        }
        // Half of the time is kept for the signature. Under too much load, requests that waited until the deadline would all
        // be signed too late, and no client would get any of the certificates.
        let now = Instant::now();
        let halfway = now + deadline.saturating_duration_since(now) / 2;
        let permit = timeout_at(halfway.into(), Arc::clone(&self.slow_signatures).acquire_owned());
        // The semaphore is never closed; a lost permit means the same as a lost thread.
        let permit = permit.await.map_err(|_| RedeemError::Overdue)?.map_err(|_| RedeemError::SigningLost)?;
        let issuer = Arc::clone(issuer);
        tokio::task::spawn_blocking(move || {
            let signed = issue(&issuer, &profile);
            drop(permit);
            signed
        })
        .await
        .map_err(|_| RedeemError::SigningLost)?
        .map_err(RedeemError::Issue)
    }

    /// Counts and logs why no bundle was made: a refusal is the caller's to act on, a failure the operator's.
    fn report(&self, id: GrantId, peer: Option<IpAddr>, why: &RedeemError, started: Instant) {
        let refused = |reason: RefusalReason| {
            self.refuse(&RefusedRequest { reason, peer, grant: Some(id), answer: None }, started.elapsed());
        };
        let peer = peer.map(tracing::field::display);
        let failed = |reason: FailureReason| {
            self.metrics().failed(reason, started.elapsed());
            error!(peer, grant.id = %id, error = %chain(why), "redemption failed");
        };
        // The client may try again, and one such failure calls for no action yet.
        let failed_this_time = |reason: FailureReason| {
            self.metrics().failed(reason, started.elapsed());
            warn!(peer, grant.id = %id, error = %chain(why), "redemption failed");
        };
        match why {
            RedeemError::Unknown => refused(RefusalReason::Unknown),
            RedeemError::Refused(Refusal::Expired) => refused(RefusalReason::Expired),
            RedeemError::Refused(Refusal::Exhausted) => refused(RefusalReason::Exhausted),
            RedeemError::Refused(Refusal::WrongCode) => refused(RefusalReason::WrongCode),
            RedeemError::TooManyWrongCodes { .. } => refused(RefusalReason::TooManyWrongCodes),
            RedeemError::HungUp => refused(RefusalReason::HungUp),
            RedeemError::CertificateRequest(_) => refused(RefusalReason::BadCertificateRequest),
            RedeemError::KeyReused => refused(RefusalReason::KeyReused),
            RedeemError::TooManyReplays => refused(RefusalReason::TooManyReplays),
            RedeemError::Gone => failed_this_time(FailureReason::Gone),
            RedeemError::Overdue => failed_this_time(FailureReason::Overdue),
            RedeemError::Clock(_) => failed(FailureReason::Clock),
            RedeemError::RolledBack(_) => failed(FailureReason::RolledBack),
            RedeemError::Corrupt(_) => failed(FailureReason::Corrupt),
            RedeemError::Site(_) => failed(FailureReason::Site),
            RedeemError::Issue(_) => failed(FailureReason::Issue),
            RedeemError::SigningLost => failed(FailureReason::Signing),
            RedeemError::Read(_) => {
                failed(FailureReason::Store);
                self.metrics().store_failed(StoreOperation::Read);
            }
            RedeemError::Commit(_) => {
                failed(FailureReason::Store);
                self.metrics().store_failed(StoreOperation::Commit);
            }
        }
    }
}

pub(super) fn unreadable(error: StoreError) -> RedeemError {
    match error {
        StoreError::Corrupt { .. } => RedeemError::Corrupt(error),
        StoreError::Unavailable { .. } => RedeemError::Read(error),
    }
}

/// Why a commit was not made: for good, or because another one came first.
#[derive(Debug)]
pub(super) enum CommitRefusal {
    /// Another request with the same key, or another repetition, was recorded since this one was looked at.
    Overtaken,
    Final(RedeemError),
}

impl From<RedeemError> for CommitRefusal {
    fn from(error: RedeemError) -> Self {
        Self::Final(error)
    }
}

fn uncounted(error: CommitError) -> CommitRefusal {
    CommitRefusal::Final(match error {
        CommitError::KnownKey | CommitError::NotRepeatable => return CommitRefusal::Overtaken,
        CommitError::Expired => RedeemError::Refused(Refusal::Expired),
        CommitError::Exhausted => RedeemError::Refused(Refusal::Exhausted),
        CommitError::Gone => RedeemError::Gone,
        CommitError::Store(error) => unstored(error),
    })
}

/// The store did not carry out a write.
pub(super) fn unstored(error: StoreError) -> RedeemError {
    match error {
        StoreError::Corrupt { .. } => RedeemError::Corrupt(error),
        StoreError::Unavailable { .. } => RedeemError::Commit(error),
    }
}
