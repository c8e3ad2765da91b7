//! What tokens carry besides the code: the URL of the redeem listener, and the certificates to trust.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{grant::GrantId, link::PublicUrl, pki::ServingIdentity};

/// The public URL of the redeem listener and its certificate, which can be replaced while the service runs.
#[derive(Debug)]
pub struct Publication {
    url: PublicUrl,
    serving: RwLock<Arc<ServingIdentity>>,
}

impl Publication {
    /// A listener at `url` with this certificate.
    pub fn new(url: PublicUrl, serving: ServingIdentity) -> Self {
        Self { url, serving: RwLock::new(Arc::new(serving)) }
    }

    /// The listener's public URL.
    pub fn url(&self) -> &PublicUrl {
        &self.url
    }

    /// The URL at which this grant is redeemed.
    pub fn grant_url(&self, id: GrantId) -> String {
        self.url.of_grant(id)
    }

    /// The certificate, key and CA in use now.
    pub fn serving(&self) -> Arc<ServingIdentity> {
        // A poisoned lock still holds a whole Arc: replacing it is one assignment.
        Arc::clone(&self.serving.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the certificate, from the next handshake on.
    pub fn replace_serving(&self, serving: ServingIdentity) {
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(serving);
    }
}
