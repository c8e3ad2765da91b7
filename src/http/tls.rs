//! TLS of the redeem door (protocol.md 1.4).

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    NamedGroup, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::TLS13,
};
use tokio_rustls::TlsAcceptor;
use tracing::error;

use crate::{app::App, metrics::KeyExchange, pki::ServingIdentity};

/// Why the redeem door cannot do TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate or its key is of a kind that TLS 1.3 does not use.
    #[error("the serving certificate cannot be used for TLS")]
    Certificate(#[source] rustls::Error),
    /// The cryptography that was built in does not offer TLS 1.3.
    #[error("TLS 1.3 is not available")]
    Version(#[source] rustls::Error),
}

/// TLS 1.3 and HTTP/1.1, no tickets, no early data, no client certificates.
///
/// No tickets: no client comes back on the same session, and each ticket costs both sides (limits.md, recommendation 7).
/// ALPN: Skupper's clients send none and are served. A client that offers only h2 gets the alert `no_application_protocol`
/// (RFC 7301 3.2), since it could not read the answer.
pub(super) fn acceptor(app: &Arc<App>) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(provider());
    let certificate = CurrentCertificate::new(Arc::clone(app), Arc::clone(&provider))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Version)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The post-quantum group first: the answer carries a private key that is worth recording today.
fn provider() -> CryptoProvider {
    let kx_groups =
        vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1];
    CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() }
}

/// How a group is counted.
pub(super) fn key_exchange(group: Option<NamedGroup>) -> KeyExchange {
    match group {
        None => KeyExchange::None,
        Some(NamedGroup::X25519MLKEM768) => KeyExchange::X25519MlKem768,
        Some(NamedGroup::X25519) => KeyExchange::X25519,
        Some(NamedGroup::secp256r1) => KeyExchange::Secp256r1,
        Some(_) => KeyExchange::Other,
    }
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
            // Also when it failed: said once, not for each handshake.
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
