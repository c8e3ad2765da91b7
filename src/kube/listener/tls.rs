//! The admin listener on TCP and TLS 1.3, for users with certificates.
//!
//! A connection ends when the certificate of its client does, watches included.
//!
//! A certificate is not demanded in the handshake: a client without one, or with one that was revoked, gets an answer in
//! words that kubectl prints (docs/kubernetes-api.md section 3.15).

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{RootCertStore, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{net::TcpStream, time::sleep};
use tokio_rustls::server::TlsStream;
use tracing::info;

use super::{
    AdminListenerError, DRAIN_DEADLINE,
    connection::{Protocol, serve},
};
use crate::{
    app::App,
    kube::{access::caller::Peer, wire::service::AdminService},
    net::{
        self, BoundTcp, Connection, ConnectionHandler, CurrentIdentity, Drained, Holder, NetLimits, ServedCertificate,
        Tls, TlsParts,
    },
    pki::AdminCertificate,
    time::{Clock, Timestamp},
};

const LIMITS: NetLimits = NetLimits {
    max_connections: AdminTlsListener::MOST_CONNECTIONS,
    max_connections_per_address: AdminTlsListener::MOST_CONNECTIONS,
    max_connections_per_user: 64,
    max_handshakes: 128,
    // Enough for the discovery of many clients at once.
    max_unauthenticated: 32,
    // A handshake and a request from far away.
    least_age: Duration::from_secs(3),
    handshake_deadline: Duration::from_secs(5),
    // Requests that the end of the server interrupts can be repeated by the administrator.
    grace: Duration::ZERO,
    drain_deadline: DRAIN_DEADLINE,
};
/// How long a client without a certificate is served. Without a limit, such clients could keep all permits, as HTTP/2 has no
/// timeout for idle connections.
const UNAUTHENTICATED_DEADLINE: Duration = Duration::from_secs(30);
/// How often the clock is compared with the end of a client's certificate.
const EXPIRY_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The most bytes that wait in a connection to be sent, beside those of the system. Many clients that read nothing take this many
/// each.
const TLS_BUFFER: usize = 32 * 1024;
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// The admin listener for users with certificates, bound and not yet serving.
#[derive(Debug)]
pub struct AdminTlsListener {
    bound: BoundTcp,
    limits: NetLimits,
}

impl AdminTlsListener {
    /// The most connections at once.
    pub const MOST_CONNECTIONS: u32 = 256;

    /// Binds the address and listens; connections wait in the kernel until [`serve`](Self::serve). Must be called within a
    /// Tokio runtime.
    ///
    /// # Errors
    /// [`AdminListenerError::Bind`].
    pub fn bind(address: SocketAddr) -> Result<Self, AdminListenerError> {
        let bound = BoundTcp::bind(address, "--admin-listen").map_err(AdminListenerError::Bind)?;
        Ok(Self { bound, limits: LIMITS })
    }

    /// The bound address, with the port that the kernel chose if port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.bound.local_addr()
    }

    /// The same with at most this many connections.
    #[must_use]
    pub fn with_at_most(self, connections: u32) -> Self {
        let limits = NetLimits { max_connections: connections, ..self.limits };
        Self { limits, ..self }
    }

    /// Serves until `shutdown` ends, then takes no more connections, and lets the requests that have begun finish, for at
    /// most 22 seconds. Users are those with a certificate of the CA that `identity` names at first; its certificate may be
    /// another one later.
    ///
    /// # Errors
    /// [`AdminListenerError`] at once, when `identity` cannot be used.
    pub async fn serve(
        self,
        app: Arc<App>,
        identity: CurrentIdentity,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<Drained, AdminListenerError> {
        let handler = AdminTlsHandler { tls: tls(identity)?, service: AdminService::new(Arc::clone(&app)), app };
        Ok(net::serve(self.bound, handler, self.limits, shutdown).await)
    }
}

struct AdminTlsHandler {
    tls: Tls,
    service: AdminService,
    app: Arc<App>,
}

impl ConnectionHandler for AdminTlsHandler {
    const NAME: &'static str = "admin";
    type Socket = BoundTcp;
    type Transport = Tls;

    fn transport(&self) -> &Tls {
        &self.tls
    }

    fn holder(&self, stream: &TlsStream<TcpStream>) -> Holder {
        match certificate(stream) {
            Some(certificate) if self.app.admin_users().admits(&certificate) => {
                Holder::User(certificate.user.name.as_str().into())
            }
            Some(_) | None => Holder::Unauthenticated,
        }
    }

    fn serving_deadline(&self, stream: &TlsStream<TcpStream>) -> Option<Duration> {
        match certificate(stream) {
            Some(certificate) if self.app.admin_users().admits(&certificate) => None,
            Some(_) | None => Some(UNAUTHENTICATED_DEADLINE),
        }
    }

    async fn serve(&self, mut stream: TlsStream<TcpStream>, connection: Connection) {
        stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
        let certificate = certificate(&stream);
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(HTTP_2) => Protocol::Http2,
            Some(_) | None => Protocol::Http1,
        };
        let serve = |peer, connection| serve(stream, protocol, self.service.of(peer), connection);
        let Some(certificate) = certificate else { return serve(Peer::Unauthenticated, connection).await };
        let (users, user) = (self.app.admin_users(), certificate.user.clone());
        if !users.admits(&certificate) {
            return serve(Peer::Revoked(user), connection).await;
        }
        let name = certificate.user.name.as_str();
        tokio::select! {
            () = serve(Peer::Certificate(user), connection) => {}
            () = users.revoked(&certificate) => info!(user = name, "an admin connection was cut: its user was revoked"),
            () = passed(self.app.clock(), certificate.not_after) => {
                info!(user = name, "an admin connection was cut: the certificate of its client has expired");
            }
        }
    }
}

/// The client's certificate. The handshake has verified it; a client whose certificate names no user counts as
/// unauthenticated, as one without a certificate does.
fn certificate(stream: &TlsStream<TcpStream>) -> Option<AdminCertificate> {
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    certificate.and_then(|der| AdminCertificate::read(der))
}

/// Waits until this second is over. The clock is read again and again, as it can be set, and a suspended machine does not
/// count the time.
async fn passed(clock: &Clock, second: Timestamp) {
    while clock.now() <= second {
        sleep(EXPIRY_CHECK_INTERVAL).await;
    }
}

/// The TLS configuration: HTTP/1.1 and HTTP/2, and optional client certificates.
fn tls(identity: CurrentIdentity) -> Result<Tls, AdminListenerError> {
    let provider = Tls::provider();
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be parsed is no CA; without any CA, building the verifier below fails.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(identity().ca_pem().as_bytes()).flatten());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(AdminListenerError::UserCa)?;
    let certificate =
        ServedCertificate::new(Arc::clone(&provider), identity).map_err(AdminListenerError::Certificate)?;
    Tls::new(provider, TlsParts { certificate: Arc::new(certificate), clients, protocols: &[HTTP_2, HTTP_1] })
        .map_err(AdminListenerError::Certificate)
}
