//! Why a redemption gives no bundle.

use std::time::Duration;

use super::{clock_mark::ClockBehind, sites::SiteFault};
use crate::{
    grant::Refusal,
    pki::{CertificateRequestFault, IssueError},
    store::{Rollback, StoreError},
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
    /// The request for a certificate cannot be granted.
    #[error("the certificate request is not valid")]
    CertificateRequest(#[source] CertificateRequestFault),
    /// The client's own key has a certificate of this grant, for another name or subject.
    #[error("the key has a certificate with another name or subject")]
    KeyReused,
    /// The client's own key got its certificate as often as is recorded.
    #[error("the certificate was sent again too often")]
    TooManyReplays,
    /// The clock was set back, so whether the grant has expired is not known.
    #[error("whether the grant has expired is not known")]
    Clock(#[source] ClockBehind),
    /// The database was put back, so whether the grant has redemptions left is not known.
    #[error("what was redeemed is not known")]
    RolledBack(#[source] Rollback),
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

impl From<Refusal> for RedeemError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
