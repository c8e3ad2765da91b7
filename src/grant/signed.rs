//! A signed certificate that is not yet counted: the admission and the credential in one value.

use std::future::Future;

use super::{admission::Admission, record::CertificateRecord};

/// A credential that can say what the ledger keeps of its certificate.
pub trait Certified {
    /// The facts about this credential's own certificate that the ledger keeps.
    fn record(&self) -> &CertificateRecord;

    /// The certificate in DER, when it is to be stored with its redemption, so that the same one can be sent again. Then the
    /// client has the key, and the store counts each key of a grant once.
    fn kept(&self) -> Option<&[u8]> {
        None
    }
}

/// A certificate that was signed for an admission, and is not counted yet. It owns both, and releases neither: only the
/// store takes it apart, and gives the credential back with the receipt.
///
/// It cannot be copied, so it cannot be counted twice:
///
/// ```compile_fail,E0599
/// fn twice<C>(signed: grantd::grant::Signed<C>) -> (grantd::grant::Signed<C>, grantd::grant::Signed<C>) {
///     (signed.clone(), signed)
/// }
/// ```
///
/// ```compile_fail,E0382
/// fn twice<C>(signed: grantd::grant::Signed<C>) -> (grantd::grant::Signed<C>, grantd::grant::Signed<C>) {
///     (signed, signed)
/// }
/// ```
///
/// The credential cannot be taken out before it is counted, and not exchanged for another one:
///
/// ```compile_fail,E0616
/// fn release<C>(signed: grantd::grant::Signed<C>) -> C {
///     signed.credential
/// }
/// ```
///
/// ```compile_fail,E0616
/// fn exchange<C>(signed: &mut grantd::grant::Signed<C>, other: C) {
///     signed.credential = other;
/// }
/// ```
///
/// ```compile_fail,E0624
/// async fn release<C: grantd::grant::Certified>(signed: grantd::grant::Signed<C>) -> C {
///     signed.commit_with(async |_| Ok::<(), ()>(())).await.unwrap().0
/// }
/// ```
#[derive(Debug)]
pub struct Signed<C> {
    admission: Admission,
    credential: C,
}

impl<C: Certified> Signed<C> {
    /// Binds a credential to the admission that it was signed for. To be called by the issuer, which has made the
    /// credential for this admission and keeps no other reference to it.
    pub fn new(admission: Admission, credential: C) -> Self {
        Self { admission, credential }
    }

    /// Hands the admission and the credential's own record to `commit`, and releases the credential when that succeeds,
    /// together with the proof that `commit` returns. Only for [`store`](crate::store), whose receipt is that proof.
    ///
    /// # Errors
    /// The error of `commit`; the credential is dropped then and was not sent.
    pub(crate) async fn commit_with<P, E, F>(self, commit: impl FnOnce(PendingRedemption) -> F) -> Result<(C, P), E>
    where
        F: Future<Output = Result<P, E>>,
    {
        let Self { admission, credential } = self;
        let kept = credential.kept().map(<[u8]>::to_vec);
        let proof = commit(PendingRedemption { admission, certificate: *credential.record(), kept }).await?;
        Ok((credential, proof))
    }

    /// The credential, for tests of the issuer, which have no store.
    #[cfg(test)]
    pub(crate) fn into_credential(self) -> C {
        self.credential
    }
}

/// A redemption that a store is to count and to write into the ledger; or, when its admission is one to reissue, to record as
/// a repetition of one. Only a [`Signed`] makes one, so its certificate was
/// signed for its admission.
///
/// ```compile_fail,E0451
/// use grantd::grant::{Admission, CertificateRecord, PendingRedemption};
///
/// fn forge(admission: Admission, certificate: CertificateRecord) -> PendingRedemption {
///     PendingRedemption { admission, certificate, kept: None }
/// }
/// ```
#[derive(Debug)]
pub struct PendingRedemption {
    admission: Admission,
    certificate: CertificateRecord,
    kept: Option<Vec<u8>>,
}

impl PendingRedemption {
    /// The decision that allowed it.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The certificate that was signed for it.
    pub fn certificate(&self) -> &CertificateRecord {
        &self.certificate
    }

    /// The certificate itself, in DER, when it is to be stored too.
    pub fn kept(&self) -> Option<&[u8]> {
        self.kept.as_deref()
    }
}
