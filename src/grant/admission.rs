//! What a request with the right code leads to: a claim, and the permission to sign and count once.

use std::net::IpAddr;

use super::{
    id::GrantId,
    name::{IssuerName, LinkName, Namespace, Subject},
};
use crate::time::Timestamp;

/// Why a grant does not open. The order of the variants is the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// It has expired.
    #[error("the grant has expired")]
    Expired,
    /// No redemption is left.
    #[error("the grant is used up")]
    Exhausted,
    /// The body is not the code.
    #[error("the code is wrong")]
    WrongCode,
}

/// A request with the code of a grant that has not expired. Only [`Grant::claim`](super::Grant::claim) makes one.
///
/// It leads to an [`Admission`] when the grant has a redemption left, or to what was issued before: it cannot be copied, so
/// one request gets one of them.
///
/// ```compile_fail,E0382
/// fn twice(claim: grantd::grant::Claim) -> (grantd::grant::Claim, grantd::grant::Claim) {
///     (claim, claim)
/// }
/// ```
///
/// ```compile_fail,E0451
/// fn forge(admission: grantd::grant::Admission) -> grantd::grant::Claim {
///     grantd::grant::Claim { admission, is_open: true }
/// }
/// ```
#[derive(Debug)]
pub struct Claim {
    pub(super) admission: Admission,
    pub(super) is_open: bool,
}

impl Claim {
    /// The permission to redeem the grant once more.
    ///
    /// # Errors
    /// [`Refusal::Exhausted`] when no redemption is left.
    pub fn admit(self) -> Result<Admission, Refusal> {
        if self.is_open { Ok(self.admission) } else { Err(Refusal::Exhausted) }
    }

    /// Whether the grant has a redemption left.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// The permission to issue once more what this redemption of the grant issued. Whether it was one of the same name and
    /// subject, and not too long ago, is for the store to decide.
    pub fn reissue(self, of: Reissue) -> Admission {
        Admission { reissue: Some(of), ..self.admission }
    }

    /// The grant that is claimed.
    pub fn grant_id(&self) -> GrantId {
        self.admission.grant_id
    }

    /// The namespace of the grant, which names the site.
    pub fn namespace(&self) -> &Namespace {
        &self.admission.namespace
    }

    /// Which issuer signs; the site's default when `None`.
    pub fn issuer(&self) -> Option<&IssuerName> {
        self.admission.issuer.as_ref()
    }

    /// The name of the Secret and the Links.
    pub fn link_name(&self) -> &LinkName {
        &self.admission.link_name
    }

    /// The subject of the certificate.
    pub fn subject(&self) -> &Subject {
        &self.admission.subject
    }

    /// Where the request came from, when known.
    pub fn peer(&self) -> Option<IpAddr> {
        self.admission.peer
    }

    /// The instant of the request.
    pub fn claimed_at(&self) -> Timestamp {
        self.admission.admitted_at
    }
}

/// The redemption that an admission repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reissue {
    /// Its ordinal.
    pub ordinal: u32,
    /// It must not be older than this.
    pub since: Timestamp,
}

/// The permission to sign one certificate and count one redemption, or to record one repetition of a redemption. Only a
/// [`Claim`] makes one; committing consumes it.
///
/// It cannot be copied, so it cannot be used twice:
///
/// ```compile_fail,E0599
/// fn twice(admission: grantd::grant::Admission) -> (grantd::grant::Admission, grantd::grant::Admission) {
///     (admission.clone(), admission)
/// }
/// ```
///
/// ```compile_fail,E0382
/// fn twice(admission: grantd::grant::Admission) -> (grantd::grant::Admission, grantd::grant::Admission) {
///     (admission, admission)
/// }
/// ```
///
/// Nor can it be made up:
///
/// ```compile_fail,E0451
/// fn forge(id: grantd::grant::GrantId, from: grantd::grant::Admission) -> grantd::grant::Admission {
///     grantd::grant::Admission { grant_id: id, ..from }
/// }
/// ```
#[derive(Debug)]
pub struct Admission {
    pub(super) grant_id: GrantId,
    pub(super) namespace: Namespace,
    pub(super) issuer: Option<IssuerName>,
    pub(super) link_name: LinkName,
    pub(super) subject: Subject,
    pub(super) peer: Option<IpAddr>,
    pub(super) admitted_at: Timestamp,
    pub(super) reissue: Option<Reissue>,
}

impl Admission {
    /// The grant that admitted the request.
    pub fn grant_id(&self) -> GrantId {
        self.grant_id
    }

    /// The namespace of the grant, which names the site.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Which issuer signs; the site's default when `None`.
    pub fn issuer(&self) -> Option<&IssuerName> {
        self.issuer.as_ref()
    }

    /// The name of the Secret and the Links.
    pub fn link_name(&self) -> &LinkName {
        &self.link_name
    }

    /// The subject of the certificate.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Where the request came from, when known.
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// The instant of the decision, which is also the instant the ledger records.
    pub fn admitted_at(&self) -> Timestamp {
        self.admitted_at
    }

    /// The redemption that is repeated, which is not counted again; `None` when this one is counted.
    pub fn reissue(&self) -> Option<Reissue> {
        self.reissue
    }
}
