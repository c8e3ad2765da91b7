//! A redemption, from a well-formed request to a bundle: read, admit, sign, commit, release.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout_at;
use tracing::{error, info, warn};

use super::{bundle::LinkBundle, chain::chain, refusals::RefusedRequest, service::App, sites::SiteFault};
use crate::{
    grant::{Admission, GrantId, RedemptionRequest, Refusal, Signed},
    metrics::{FailureReason, Phase, RefusalReason, StoreOperation},
    pki::{ClientCredential, IssueError, Issuer},
    store::{CommitError, StoreError},
};

/// Why no bundle was made. Nothing was counted, except perhaps with [`Commit`](Self::Commit): the answer of the store to a
/// commit can be lost.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// No grant has this id.
    #[error("no grant has this id")]
    Unknown,
    /// The grant refuses this request.
    #[error("the grant does not open")]
    Refused(#[source] Refusal),
    /// The code is wrong, or not compared, and too many were wrong before it.
    #[error("too many wrong codes were sent for this grant")]
    TooManyWrongCodes {
        /// When another wrong code will be taken.
        retry_after: Duration,
    },
    /// The grant's row breaks a rule.
    #[error("the grant cannot be read")]
    Corrupt(#[source] StoreError),
    /// The site cannot accept links.
    #[error("no link to the site can be issued")]
    Site(#[source] SiteFault),
    /// The issuer could not sign.
    #[error("the certificate could not be issued")]
    Issue(#[source] IssueError),
    /// The thread that was to sign has panicked.
    #[error("signing did not finish")]
    SigningLost,
    /// The grant was deleted between the decision and the count.
    #[error("the grant was deleted before the redemption was counted")]
    Gone,
    /// The store did not answer when the grant was read.
    #[error("the grant could not be read")]
    Read(#[source] StoreError),
    /// The store did not answer to the commit; the redemption may be in the ledger.
    #[error("the redemption could not be counted")]
    Commit(#[source] StoreError),
    /// The client has closed its connection. The redemption may be in the ledger only if its commit had begun.
    #[error("the client closed its connection before the redemption was counted")]
    HungUp,
    /// The caller's time was over before the redemption was counted.
    #[error("the request ran out of time before it was counted")]
    Overdue,
}

impl App {
    /// Redeems a grant once: at most one count, and a bundle only after that count is durable.
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
        deadline: Instant,
        hung_up: impl Future<Output = ()> + Send,
    ) -> Result<LinkBundle, RedeemError> {
        let (started, peer) = (Instant::now(), request.peer);
        let outcome = tokio::select! {
            // What is counted is to be answered, also when both happen at once.
            biased;
            outcome = self.sign_commit_release(id, request, deadline) => outcome,
            () = hung_up => Err(RedeemError::HungUp),
        };
        match &outcome {
            Ok(_) => self.metrics().redeemed(started.elapsed()),
            Err(error) => self.report(id, peer, error, started),
        }
        outcome
    }

    async fn sign_commit_release(
        &self,
        id: GrantId,
        request: RedemptionRequest,
        deadline: Instant,
    ) -> Result<LinkBundle, RedeemError> {
        let mut phase = Instant::now();
        let mut end_of = |which| {
            self.metrics().phase(which, phase.elapsed());
            phase = Instant::now();
        };
        let grant = self.store.get(id).await.map_err(unreadable)?.ok_or(RedeemError::Unknown)?;
        end_of(Phase::Read);
        let peer = request.peer.map(tracing::field::display);
        let admission = self.wrong_codes.claim(&grant, &request, self.clock().now(), Instant::now())?.admit()?;
        let (site, issuer) =
            self.sites().serving(admission.namespace(), admission.issuer()).map_err(RedeemError::Site)?;
        let signed = self.sign(&issuer, admission, deadline).await?;
        end_of(Phase::Sign);
        if Instant::now() >= deadline {
            return Err(RedeemError::Overdue);
        }
        let receipt = self.store.commit(signed).await.map_err(uncounted)?;
        end_of(Phase::Commit);
        info!(
            grant.id = %receipt.grant_id(),
            grant.namespace = %receipt.namespace(),
            redemption.ordinal = receipt.ordinal(),
            redemption.serial = %receipt.certificate().serial,
            peer,
            link.name = %receipt.link_name(),
            // As a text, which the log quotes: a subject may have blanks and equals signs in it.
            link.subject = receipt.subject().as_str(),
            "grant redeemed"
        );
        Ok(LinkBundle::new(receipt, &issuer, site.site()))
    }

    /// Makes key and certificate: at once when that takes microseconds, else on a thread that may block.
    async fn sign(
        &self,
        issuer: &Arc<Issuer>,
        admission: Admission,
        deadline: Instant,
    ) -> Result<Signed<ClientCredential>, RedeemError> {
        let profile = self.profile;
        if !issuer.is_slow(&profile) {
            return issuer.issue(admission, &profile).map_err(RedeemError::Issue);
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
            let signed = issuer.issue(admission, &profile);
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
        let failed = |reason: FailureReason| {
            self.metrics().failed(reason, started.elapsed());
            error!(grant.id = %id, error = %chain(why), "redemption failed");
        };
        // The client may try again, and one such failure calls for no action yet.
        let failed_this_time = |reason: FailureReason| {
            self.metrics().failed(reason, started.elapsed());
            warn!(grant.id = %id, error = %chain(why), "redemption failed");
        };
        match why {
            RedeemError::Unknown => refused(RefusalReason::Unknown),
            RedeemError::Refused(Refusal::Expired) => refused(RefusalReason::Expired),
            RedeemError::Refused(Refusal::Exhausted) => refused(RefusalReason::Exhausted),
            RedeemError::Refused(Refusal::WrongCode) => refused(RefusalReason::WrongCode),
            RedeemError::TooManyWrongCodes { .. } => refused(RefusalReason::TooManyWrongCodes),
            RedeemError::HungUp => refused(RefusalReason::HungUp),
            RedeemError::Gone => failed_this_time(FailureReason::Gone),
            RedeemError::Overdue => failed_this_time(FailureReason::Overdue),
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

impl From<Refusal> for RedeemError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn unreadable(error: StoreError) -> RedeemError {
    match error {
        StoreError::Corrupt { .. } => RedeemError::Corrupt(error),
        StoreError::Unavailable { .. } => RedeemError::Read(error),
    }
}

fn uncounted(error: CommitError) -> RedeemError {
    match error {
        CommitError::Expired => RedeemError::Refused(Refusal::Expired),
        CommitError::Exhausted => RedeemError::Refused(Refusal::Exhausted),
        CommitError::Gone | CommitError::KnownKey | CommitError::NotRepeatable => RedeemError::Gone,
        CommitError::Store(error @ StoreError::Corrupt { .. }) => RedeemError::Corrupt(error),
        CommitError::Store(error @ StoreError::Unavailable { .. }) => RedeemError::Commit(error),
    }
}
