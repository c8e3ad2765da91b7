//! The bundle: the one document that is sent, with a private key in it unless the client has its own.

use zeroize::Zeroizing;

use crate::{
    link::{BundleParts, Site, write_bundle},
    pki::{ClientCredential, Issuer, PrivateKeyPem, certificate_pem},
    store::{Receipt, Replayed},
};

/// The answer to a redemption: a Secret and its Links, as bytes. Made from a committed [`Receipt`] or from a
/// recorded [replay](Replayed), and in no other way.
#[derive(Debug)]
pub struct LinkBundle {
    document: Zeroizing<Vec<u8>>,
}

impl LinkBundle {
    /// Consumes the receipt, which carries the credential: what was counted once is sent once.
    ///
    /// There is no bundle of a certificate that is not counted, nor of another one than was recorded:
    ///
    /// ```compile_fail,E0308
    /// use grantd::{app::LinkBundle, grant::Signed, link::Site, pki::{ClientCredential, Issuer}};
    ///
    /// fn uncounted(signed: Signed<ClientCredential>, issuer: &Issuer, site: &Site) -> LinkBundle {
    ///     LinkBundle::new(signed, issuer, site)
    /// }
    /// ```
    ///
    /// ```compile_fail,E0061
    /// use grantd::{app::LinkBundle, link::Site, pki::{ClientCredential, Issuer}, store::Receipt};
    ///
    /// fn other(receipt: Receipt<()>, other: ClientCredential, issuer: &Issuer, site: &Site) -> LinkBundle {
    ///     LinkBundle::new(receipt, other, issuer, site)
    /// }
    /// ```
    pub fn new(receipt: Receipt<ClientCredential>, issuer: &Issuer, site: &Site) -> Self {
        let credential = receipt.credential();
        let document = write_bundle(&BundleParts {
            name: receipt.link_name(),
            ca_pem: issuer.ca_pem(),
            certificate_pem: &credential.certificate_pem(),
            key: credential.key().map(PrivateKeyPem::expose),
            site,
        });
        drop(receipt);
        Self { document }
    }

    /// The bundle of a certificate that was issued before, without its key, which the client has. Consumes the proof that the
    /// replay is recorded.
    pub fn replayed(replayed: Replayed, issuer: &Issuer, site: &Site) -> Self {
        let document = write_bundle(&BundleParts {
            name: replayed.link_name(),
            ca_pem: issuer.ca_pem(),
            certificate_pem: &certificate_pem(&replayed.certificate().der),
            key: None,
            site,
        });
        drop(replayed);
        Self { document }
    }

    /// The document as docs/protocol.md section 2 wants it.
    pub fn into_document(self) -> Zeroizing<Vec<u8>> {
        self.document
    }
}
