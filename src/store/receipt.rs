//! The proof that a redemption is counted and recorded, and the credential that it releases.

use std::net::IpAddr;

use crate::grant::{CertificateRecord, Claim, GrantId, LinkName, Namespace, PendingRedemption, Subject};

/// What an implementation of a store answers to a commit: one redemption is durably counted and recorded, or one repetition is
/// recorded. Only this module's stores make one.
///
/// It cannot be made up, not even from a redemption that is to be committed:
///
/// ```compile_fail,E0624
/// fn forge(redemption: grantd::grant::PendingRedemption) -> grantd::store::Recorded {
///     grantd::store::Recorded::new(redemption, 1)
/// }
/// ```
#[derive(Debug)]
pub struct Recorded {
    redemption: PendingRedemption,
    ordinal: u32,
}

impl Recorded {
    /// To be called after the commit has returned, and nowhere else.
    pub(in crate::store) fn new(redemption: PendingRedemption, ordinal: u32) -> Self {
        Self { redemption, ordinal }
    }
}

/// The proof that one redemption, or one repetition of it, is durably recorded, and the credential that was recorded. Only
/// [committing](#method.commit) makes one; making the bundle consumes it.
///
/// It cannot be copied, so one redemption yields one bundle:
///
/// ```compile_fail,E0599
/// fn twice<C>(receipt: grantd::store::Receipt<C>) -> (grantd::store::Receipt<C>, grantd::store::Receipt<C>) {
///     (receipt.clone(), receipt)
/// }
/// ```
///
/// It cannot be made up, and its credential cannot be exchanged for another one:
///
/// ```compile_fail,E0451
/// fn forge<C>(recorded: grantd::store::Recorded, credential: C) -> grantd::store::Receipt<C> {
///     grantd::store::Receipt { recorded, credential }
/// }
/// ```
///
/// ```compile_fail,E0616
/// fn exchange<C>(receipt: &mut grantd::store::Receipt<C>, other: C) {
///     receipt.credential = other;
/// }
/// ```
#[derive(Debug)]
pub struct Receipt<C> {
    recorded: Recorded,
    credential: C,
}

impl<C> Receipt<C> {
    /// To be called with the credential that gave `recorded` its certificate, and nowhere else.
    pub(in crate::store) fn new(recorded: Recorded, credential: C) -> Self {
        Self { recorded, credential }
    }

    /// Which grant was redeemed.
    pub fn grant_id(&self) -> GrantId {
        self.recorded.redemption.admission().grant_id()
    }

    /// The namespace of the grant.
    pub fn namespace(&self) -> &Namespace {
        self.recorded.redemption.admission().namespace()
    }

    /// The name of the Secret and the Links.
    pub fn link_name(&self) -> &LinkName {
        self.recorded.redemption.admission().link_name()
    }

    /// The subject that the certificate was issued to.
    pub fn subject(&self) -> &Subject {
        self.recorded.redemption.admission().subject()
    }

    /// Where the request came from, when known.
    pub fn peer(&self) -> Option<IpAddr> {
        self.recorded.redemption.admission().peer()
    }

    /// What the ledger keeps of the credential's certificate.
    pub fn certificate(&self) -> &CertificateRecord {
        self.recorded.redemption.certificate()
    }

    /// Whether this redemption was counted; else it repeats one that was.
    pub fn is_counted(&self) -> bool {
        self.recorded.redemption.admission().reissue().is_none()
    }

    /// Which redemption of the grant this was or repeats, from 1.
    pub fn ordinal(&self) -> u32 {
        self.recorded.ordinal
    }

    /// The credential that was recorded, which may now be sent.
    pub fn credential(&self) -> &C {
        &self.credential
    }
}

/// The proof that a replay is durably recorded, and the stored certificate, which may now be sent again. Only the stores of this
/// module make one, from a claim and the row of the certificate; making the bundle consumes it.
///
/// It cannot be copied nor made up:
///
/// ```compile_fail,E0599
/// fn twice(replayed: grantd::store::Replayed) -> (grantd::store::Replayed, grantd::store::Replayed) {
///     (replayed.clone(), replayed)
/// }
/// ```
///
/// ```compile_fail,E0624
/// use grantd::{grant::{CertificateRecord, Claim}, store::{Replayed, ReplayedCertificate}};
///
/// fn forge(claim: Claim, certificate: ReplayedCertificate) -> Replayed {
///     Replayed::new(claim, certificate)
/// }
/// ```
#[derive(Debug)]
pub struct Replayed {
    claim: Claim,
    certificate: ReplayedCertificate,
}

/// A certificate as it is stored, and which redemption it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedCertificate {
    /// The certificate, in DER.
    pub der: Vec<u8>,
    /// What the ledger keeps of it.
    pub record: CertificateRecord,
    /// The redemption of the grant that issued it.
    pub ordinal: u32,
    /// How often it was sent again, with this time.
    pub number: u32,
}

impl Replayed {
    /// To be called after the commit has returned, and nowhere else.
    pub(in crate::store) fn new(claim: Claim, certificate: ReplayedCertificate) -> Self {
        Self { claim, certificate }
    }

    /// The grant.
    pub fn grant_id(&self) -> GrantId {
        self.claim.grant_id()
    }

    /// The namespace of the grant.
    pub fn namespace(&self) -> &Namespace {
        self.claim.namespace()
    }

    /// The name of the Secret and the Links, which is the recorded one.
    pub fn link_name(&self) -> &LinkName {
        self.claim.link_name()
    }

    /// The subject of the certificate, which is the recorded one.
    pub fn subject(&self) -> &Subject {
        self.claim.subject()
    }

    /// The stored certificate.
    pub fn certificate(&self) -> &ReplayedCertificate {
        &self.certificate
    }
}

/// What became of a claim with a key of the client's own.
#[derive(Debug)]
pub enum Claimed {
    /// The key has a certificate of this grant, which is sent again.
    Known(Box<Replayed>),
    /// The key is new.
    New(Claim),
}
