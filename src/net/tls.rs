//! The TLS settings of all listeners. Each listener adds its certificate, its client certificates and its protocols.

use std::{future::Future, io, sync::Arc};

use rustls::{
    NamedGroup, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoServerSessionStorage, ResolvesServerCert, danger::ClientCertVerifier},
    version::TLS13,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::metrics::KeyExchange;

/// TLS of one listener.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// What differs between listeners.
#[derive(Debug)]
pub struct TlsParts<'a> {
    /// The certificate for each handshake.
    pub certificate: Arc<dyn ResolvesServerCert>,
    /// Which client certificates are asked for, and which are taken.
    pub clients: Arc<dyn ClientCertVerifier>,
    /// The protocols for ALPN, the preferred one first. A client that names others only gets the alert
    /// `no_application_protocol` (RFC 7301 3.2); one that names none is served.
    pub protocols: &'a [&'a [u8]],
}

impl Tls {
    /// TLS 1.3 with `provider`, without tickets and without early data.
    ///
    /// No tickets: few clients come back on the same session, each ticket costs both sides, and what a certificate allows
    /// is to be checked anew on each connection (docs/measurements.md section 1).
    ///
    /// # Errors
    /// The provider does not offer TLS 1.3.
    pub fn new(provider: Arc<CryptoProvider>, parts: TlsParts<'_>) -> Result<Self, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(parts.clients)
            .with_cert_resolver(parts.certificate);
        config.alpn_protocols = parts.protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The cryptography of all listeners. The post-quantum group comes first: answers carry private keys, and an attacker
    /// can record them today and decrypt them later.
    pub fn provider() -> Arc<CryptoProvider> {
        let kx_groups =
            vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1];
        Arc::new(CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() })
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// The layer between a socket and HTTP: TLS or none.
pub trait Transport<S>: Send + Sync + 'static {
    /// A connection that is ready for HTTP.
    type Stream: Send + 'static;

    /// Whether there is a handshake, which needs a permit and a deadline.
    const HAS_HANDSHAKE: bool;

    /// Makes the connection ready.
    ///
    /// # Errors
    /// The handshake failed.
    fn establish(&self, stream: S) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// How the key exchange of an established connection is counted.
    fn key_exchange(stream: &Self::Stream) -> KeyExchange;
}

/// No TLS.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl<S: Send + 'static> Transport<S> for Plain {
    type Stream = S;
    const HAS_HANDSHAKE: bool = false;

    async fn establish(&self, stream: S) -> io::Result<S> {
        Ok(stream)
    }

    fn key_exchange(_: &S) -> KeyExchange {
        KeyExchange::None
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport<S> for Tls {
    type Stream = TlsStream<S>;
    const HAS_HANDSHAKE: bool = true;

    fn establish(&self, stream: S) -> impl Future<Output = io::Result<TlsStream<S>>> + Send {
        self.0.accept(stream)
    }

    fn key_exchange(stream: &TlsStream<S>) -> KeyExchange {
        let group = stream.get_ref().1.negotiated_key_exchange_group();
        match group.map(rustls::crypto::SupportedKxGroup::name) {
            None => KeyExchange::None,
            Some(NamedGroup::X25519MLKEM768) => KeyExchange::X25519MlKem768,
            Some(NamedGroup::X25519) => KeyExchange::X25519,
            Some(NamedGroup::secp256r1) => KeyExchange::Secp256r1,
            Some(_) => KeyExchange::Other,
        }
    }
}
