//! The proof that a redemption is counted and recorded.

use crate::grant::{Admission, CertificateRecord, GrantId, LinkName, Namespace, Subject};

/// The proof that one redemption is durably counted and recorded. Only a store's commit makes one; making the bundle
/// consumes it.
///
/// It cannot be copied, so one redemption yields one bundle:
///
/// ```compile_fail,E0599
/// fn twice(receipt: grantd::store::Receipt) -> (grantd::store::Receipt, grantd::store::Receipt) {
///     (receipt.clone(), receipt)
/// }
/// ```
///
/// Nor can it be made up, not even from an admission:
///
/// ```compile_fail,E0624
/// fn forge(admission: grantd::grant::Admission, record: grantd::grant::CertificateRecord) -> grantd::store::Receipt {
///     grantd::store::Receipt::new(admission, record, 1)
/// }
/// ```
#[derive(Debug)]
pub struct Receipt {
    admission: Admission,
    certificate: CertificateRecord,
    ordinal: u32,
}

impl Receipt {
    /// To be called after the commit has returned, and nowhere else.
    pub(in crate::store) fn new(admission: Admission, certificate: CertificateRecord, ordinal: u32) -> Self {
        Self { admission, certificate, ordinal }
    }

    /// Which grant was redeemed.
    pub fn grant_id(&self) -> GrantId {
        self.admission.grant_id()
    }

    /// The namespace of the grant.
    pub fn namespace(&self) -> &Namespace {
        self.admission.namespace()
    }

    /// What the Secret and the Links are called.
    pub fn link_name(&self) -> &LinkName {
        self.admission.link_name()
    }

    /// Whom the certificate is for.
    pub fn subject(&self) -> &Subject {
        self.admission.subject()
    }

    /// The certificate that may now be handed out, and no other.
    pub fn certificate(&self) -> &CertificateRecord {
        &self.certificate
    }

    /// Which redemption of the grant this was, from 1.
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }
}
