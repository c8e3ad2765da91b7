//! The bundle: the only thing that leaves the house with a private key in it.

use zeroize::Zeroizing;

use crate::{
    link::{BundleParts, Site, write_bundle},
    pki::{ClientCredential, Issuer},
    store::Receipt,
};

/// The answer to a redemption: a Secret and its Links, as bytes. Made from a committed [`Receipt`] and in no other way.
#[derive(Debug)]
pub struct LinkBundle {
    document: Zeroizing<Vec<u8>>,
}

impl LinkBundle {
    /// Consumes the proof and the credential: what was counted once is handed out once.
    pub(super) fn new(receipt: Receipt, credential: ClientCredential, issuer: &Issuer, site: &Site) -> Self {
        debug_assert_eq!(receipt.certificate(), credential.record(), "the receipt is for another certificate");
        let document = write_bundle(&BundleParts {
            name: receipt.link_name(),
            ca_pem: issuer.ca_pem(),
            certificate_pem: credential.certificate_pem(),
            key: Some(credential.key().expose()),
            site,
        });
        drop((receipt, credential));
        Self { document }
    }

    /// The document as protocol.md section 2 wants it.
    pub fn into_document(self) -> Zeroizing<Vec<u8>> {
        self.document
    }
}
