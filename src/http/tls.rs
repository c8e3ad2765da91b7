//! The certificate of the redeem listener (docs/protocol.md section 1.4).

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use tracing::error;

use crate::{
    app::App,
    net::{Tls, TlsParts},
    pki::ServingIdentity,
};

/// Why the redeem listener cannot do TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate or its key is of a kind that TLS 1.3 does not use.
    #[error("the serving certificate cannot be used for TLS")]
    Certificate(#[source] rustls::Error),
    /// The cryptography that was built in does not offer TLS 1.3.
    #[error("TLS 1.3 is not available")]
    Version(#[source] rustls::Error),
}

/// HTTP/1.1 and no client certificates. Skupper's clients name no protocol; one that offers only h2 could not read the
/// answer and is refused.
pub(super) fn tls(app: Arc<App>) -> Result<Tls, TlsError> {
    let provider = Tls::provider();
    let certificate = Arc::new(CurrentCertificate::new(app, Arc::clone(&provider))?);
    let parts = TlsParts { certificate, clients: WebPkiClientVerifier::no_client_auth(), protocols: &[b"http/1.1"] };
    Tls::new(provider, parts).map_err(TlsError::Version)
}

/// The certificate that is published now, whatever name the client asks for: it sends none when it has an IP address.
struct CurrentCertificate {
    app: Arc<App>,
    provider: Arc<CryptoProvider>,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    identity: Arc<ServingIdentity>,
    key: Arc<CertifiedKey>,
}

impl CurrentCertificate {
    fn new(app: Arc<App>, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let identity = app.publication().serving();
        let key = certified_key(&provider, &identity).map_err(TlsError::Certificate)?;
        Ok(Self { app, provider, loaded: Mutex::new(Loaded { identity, key }) })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let identity = self.app.publication().serving();
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

impl std::fmt::Debug for CurrentCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CurrentCertificate")
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn certified_key(provider: &CryptoProvider, identity: &ServingIdentity) -> Result<Arc<CertifiedKey>, rustls::Error> {
    CertifiedKey::from_der(identity.chain(), identity.private_key(), provider).map(Arc::new)
}
