//! The proof that a redemption is counted and recorded, and the credential that it releases.

use crate::grant::{CertificateRecord, GrantId, LinkName, Namespace, PendingRedemption, Subject};

/// What an implementation of a store answers to a commit: one redemption is durably counted and recorded. Only this
/// module's stores make one.
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

/// The proof that one redemption is durably counted and recorded, and the credential that was recorded. Only
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

    /// What the ledger keeps of the credential's certificate.
    pub fn certificate(&self) -> &CertificateRecord {
        self.recorded.redemption.certificate()
    }

    /// Which redemption of the grant this was, from 1.
    pub fn ordinal(&self) -> u32 {
        self.recorded.ordinal
    }

    /// The credential that was recorded, which may now be sent.
    pub fn credential(&self) -> &C {
        &self.credential
    }
}
