//! The certificate of a TLS listener, which is replaced while the listener serves.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tracing::error;

use crate::pki::ServingIdentity;

/// Tells which certificate is to be served now.
pub type CurrentIdentity = Box<dyn Fn() -> Arc<ServingIdentity> + Send + Sync>;

/// The certificate that is to be served now, whatever name the client asks for: it sends none when it has an IP address.
pub struct ServedCertificate {
    current: CurrentIdentity,
    provider: Arc<CryptoProvider>,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    identity: Arc<ServingIdentity>,
    key: Arc<CertifiedKey>,
}

impl ServedCertificate {
    /// Serves what `current` gives at each handshake.
    ///
    /// # Errors
    /// The present one is of a kind that TLS 1.3 does not use.
    pub fn new(provider: Arc<CryptoProvider>, current: CurrentIdentity) -> Result<Self, rustls::Error> {
        let identity = current();
        let key = certified_key(&provider, &identity)?;
        Ok(Self { current, provider, loaded: Mutex::new(Loaded { identity, key }) })
    }

    fn key(&self) -> Arc<CertifiedKey> {
        let identity = (self.current)();
        // A poisoned lock still holds a whole pair or a newer identity with the older key: both can be served.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&loaded.identity, &identity) {
            match certified_key(&self.provider, &identity) {
                Ok(key) => loaded.key = key,
                Err(cause) => error!(error = %cause, "the new serving certificate cannot be used; keeping the old one"),
            }
            // Stored also after a failure, so that it is logged once and not for each handshake.
            loaded.identity = identity;
        }
        Arc::clone(&loaded.key)
    }
}

impl fmt::Debug for ServedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServedCertificate")
    }
}

impl ResolvesServerCert for ServedCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

fn certified_key(provider: &CryptoProvider, identity: &ServingIdentity) -> Result<Arc<CertifiedKey>, rustls::Error> {
    CertifiedKey::from_der(identity.chain(), identity.private_key(), provider).map(Arc::new)
}
