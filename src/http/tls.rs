//! The certificate of the redeem listener (docs/protocol.md section 1.4).

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;

use crate::{
    app::App,
    net::{ServedCertificate, Tls, TlsParts},
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
    let current = Box::new(move || app.publication().serving());
    let certificate = ServedCertificate::new(Arc::clone(&provider), current).map_err(TlsError::Certificate)?;
    let parts = TlsParts {
        certificate: Arc::new(certificate),
        clients: WebPkiClientVerifier::no_client_auth(),
        protocols: &[b"http/1.1"],
    };
    Tls::new(provider, parts).map_err(TlsError::Version)
}
