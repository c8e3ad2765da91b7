//! The two ways to a certificate: with a key pair that is made for the client, or for the client's own key.

use std::{net::IpAddr, sync::Arc, time::Instant};

use tracing::info;

use super::{
    bundle::LinkBundle,
    redeem::{CommitRefusal, KeyOrigin, Phases, Redeemed, unreadable, unstored},
    redeem_error::RedeemError,
    service::App,
};
use crate::{
    grant::{Admission, Claim, Grant, RedemptionRequest, Refusal, Reissue},
    metrics::Phase,
    pki::{CertificateRequest, Issuer},
    store::{Claimed, ReplayError, Replayed},
};

/// How often a request is looked at anew because another one came first: each time the other one was recorded.
const ATTEMPTS: u32 = 4;

/// Whose key the certificate is for.
enum Key {
    /// One that is made for the client.
    New,
    /// The client's own.
    Given(Arc<CertificateRequest>),
}

impl App {
    /// A bundle with a certificate. It is looked at anew when another request that bears upon it came first.
    pub(super) async fn issue(
        &self,
        grant: &Grant,
        request: &RedemptionRequest,
        mut claim: Claim,
        key: KeyOrigin,
        mut phases: Phases<'_>,
        deadline: Instant,
    ) -> Result<Redeemed, RedeemError> {
        let key = match key {
            KeyOrigin::Server => Key::New,
            KeyOrigin::Client(der) => Key::Given(Arc::new(read_request(&der, &claim)?)),
        };
        for _ in 0..ATTEMPTS {
            let issued = match &key {
                Key::New => self.issue_key(claim, &mut phases, deadline).await,
                Key::Given(wanted) => self.certify(claim, wanted, &mut phases, deadline).await,
            };
            match issued {
                Ok(redeemed) => return Ok(redeemed),
                Err(CommitRefusal::Final(error)) => return Err(error),
                Err(CommitRefusal::Overtaken) => {
                    claim = grant.claim(request, self.time().map_err(RedeemError::Clock)?)?;
                }
            }
        }
        Err(RedeemError::Overdue)
    }

    /// A bundle with a key pair of its own. Within the retry window it is not counted when it repeats a redemption.
    async fn issue_key(
        &self,
        claim: Claim,
        phases: &mut Phases<'_>,
        deadline: Instant,
    ) -> Result<Redeemed, CommitRefusal> {
        let admission = self.repeat_or_admit(claim).await?;
        let (site, issuer) =
            self.sites().serving(admission.namespace(), admission.issuer()).map_err(RedeemError::Site)?;
        let slow = issuer.is_slow(&self.profile);
        let issue = move |issuer: &Issuer, profile: &_| issuer.issue(admission, profile);
        let signed = self.sign(&issuer, slow, deadline, issue).await?;
        phases.end(Phase::Sign);
        self.commit(signed, (&site, &issuer), phases, deadline).await
    }

    /// The permission to repeat a redemption, when there is one to be repeated, or else to make another one.
    async fn repeat_or_admit(&self, claim: Claim) -> Result<Admission, RedeemError> {
        if self.retry_window.is_zero() {
            return Ok(claim.admit()?);
        }
        let since = claim.claimed_at().saturating_sub(self.retry_window);
        match self.store.repeatable(&claim, since).await.map_err(unreadable)? {
            Some(ordinal) => Ok(claim.reissue(Reissue { ordinal, since })),
            None => Ok(claim.admit()?),
        }
    }

    /// A bundle without a key. When the client's key has a certificate of this grant, that is sent again and nothing is
    /// counted.
    async fn certify(
        &self,
        claim: Claim,
        wanted: &Arc<CertificateRequest>,
        phases: &mut Phases<'_>,
        deadline: Instant,
    ) -> Result<Redeemed, CommitRefusal> {
        let (site, issuer) = self.sites().serving(claim.namespace(), claim.issuer()).map_err(RedeemError::Site)?;
        let peer = claim.peer();
        let new = match self.store.claim(claim, wanted.key_fingerprint()).await.map_err(not_replayed)? {
            Claimed::New(claim) => claim,
            Claimed::Known(replayed) => {
                phases.end(Phase::Commit);
                log_replay(&replayed, peer);
                return Ok(Redeemed::Again(LinkBundle::replayed(*replayed, &issuer, site.site())));
            }
        };
        let admission = new.admit().map_err(RedeemError::from)?;
        let wanted = Arc::clone(wanted);
        let issue = move |issuer: &Issuer, profile: &_| issuer.issue_for(admission, &wanted, profile);
        let signed = self.sign(&issuer, issuer.signs_slowly(), deadline, issue).await?;
        phases.end(Phase::Sign);
        self.commit(signed, (&site, &issuer), phases, deadline).await
    }
}

fn read_request(der: &[u8], claim: &Claim) -> Result<CertificateRequest, RedeemError> {
    CertificateRequest::read(der).map_err(|fault| match claim.is_open() {
        true => RedeemError::CertificateRequest(fault),
        // A used-up grant answers the same whatever the code, so that nobody can use it to find out the code.
        false => RedeemError::Refused(Refusal::Exhausted),
    })
}

fn log_replay(replayed: &Replayed, peer: Option<IpAddr>) {
    info!(
        grant.id = %replayed.grant_id(),
        grant.namespace = %replayed.namespace(),
        redemption.ordinal = replayed.certificate().ordinal,
        redemption.serial = %replayed.certificate().record.serial,
        replay.number = replayed.certificate().number,
        peer = peer.map(tracing::field::display),
        link.name = %replayed.link_name(),
        link.subject = replayed.subject().as_str(),
        "redemption answered again with the same certificate"
    );
}

fn not_replayed(error: ReplayError) -> RedeemError {
    match error {
        ReplayError::Expired => RedeemError::Refused(Refusal::Expired),
        ReplayError::OtherName => RedeemError::KeyReused,
        ReplayError::TooOften => RedeemError::TooManyReplays,
        ReplayError::Store(error) => unstored(error),
    }
}
