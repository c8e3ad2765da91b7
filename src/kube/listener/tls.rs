//! The admin door on TCP and TLS 1.3, for users with certificates.
//!
//! A certificate is not demanded in the handshake: what is served may be asked for by anybody, and whoever shows none is
//! told so in words that kubectl prints (kubectl.md 3.15).

use std::{future::Future, net::SocketAddr, sync::Arc, task::Context, time::Duration};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::debug;

use super::{
    AdminDoorError, BACKLOG,
    connections::{Connections, Protocol, Stopping, serve},
};
use crate::{
    app::App,
    kube::{authorize::Peer, service::AdminService},
    pki::{AdminUser, ServingIdentity},
};

const MOST_CONNECTIONS: usize = 256;
/// For the whole handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// HTTP/2 knows no idle connection: without this, strangers could keep all places.
const LONGEST_STAY_OF_NOBODY: Duration = Duration::from_secs(30);
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// The admin door for users with certificates, bound and not yet serving.
#[derive(Debug)]
pub struct AdminTlsDoor {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminTlsDoor {
    /// Listens; connections wait in the kernel until [`serve`](Self::serve). To be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`AdminDoorError::Listen`].
    pub fn bind(address: SocketAddr) -> Result<Self, AdminDoorError> {
        let open = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // A restart finds the connections of the process before it in TIME_WAIT.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        open().map_err(|source| AdminDoorError::Listen { address, source })
    }

    /// Where it listens: the port the kernel chose, if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` ends, then takes no more connections, and lets the requests that have begun finish, for at
    /// most 22 seconds. Users are those with a certificate of the CA that `identity` names.
    ///
    /// # Errors
    /// [`AdminDoorError`] at once, when `identity` cannot be used.
    pub async fn serve(
        self,
        app: Arc<App>,
        identity: ServingIdentity,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), AdminDoorError> {
        let acceptor = acceptor(&identity)?;
        let service = AdminService::new(app);
        let mut connections = Connections::new(MOST_CONNECTIONS);
        let accept = |context: &mut Context<'_>| self.listener.poll_accept(context);
        let taken = |connections: &mut Connections, (stream, address)| {
            // Without a place the socket closes: an answer would take a handshake.
            if let Some(place) = connections.place() {
                let (acceptor, service) = (acceptor.clone(), service.clone());
                connections.spawn(place, |stopping| connection(stream, address, acceptor, service, stopping));
            }
        };
        connections.take(shutdown, accept, taken).await;
        drop(self);
        connections.drain().await;
        Ok(())
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    service: AdminService,
    mut stopping: Stopping,
) {
    // Answers are whole writes; if it fails, so will they.
    let _ = stream.set_nodelay(true);
    let handshake = tokio::select! {
        handshake = timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)) => handshake,
        _ = stopping.changed() => return,
    };
    match handshake {
        Ok(Ok(tls)) => {
            let protocol = match tls.get_ref().1.alpn_protocol() {
                Some(HTTP_2) => Protocol::Http2,
                Some(_) | None => Protocol::Http1,
            };
            let peer = peer(&tls);
            let longest = match peer {
                Peer::Nobody => LONGEST_STAY_OF_NOBODY,
                Peer::Owner | Peer::Certificate(_) => Duration::MAX,
            };
            let _ = timeout(longest, serve(tls, protocol, service.of(peer), stopping)).await;
        }
        Ok(Err(error)) => {
            debug!(peer = %address, error = &error as &dyn std::error::Error, "an admin's TLS handshake failed");
        }
        Err(_) => debug!(peer = %address, "an admin's TLS handshake was not finished in time"),
    }
}

/// Who is there. The handshake has verified the certificate; one that names no user opens nothing.
fn peer(tls: &TlsStream<TcpStream>) -> Peer {
    let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    certificate.and_then(|der| AdminUser::of_certificate(der)).map_or(Peer::Nobody, Peer::Certificate)
}

/// TLS 1.3, HTTP/1.1 and HTTP/2, no tickets, no early data.
///
/// No tickets: what a certificate allows is looked at anew with each connection, its dates too.
fn acceptor(identity: &ServingIdentity) -> Result<TlsAcceptor, AdminDoorError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    // What cannot be read is no CA, and without any the verifier below refuses.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(identity.ca_pem().as_bytes()).flatten());
    let users = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(AdminDoorError::UserCa)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(AdminDoorError::Certificate)?
        .with_client_cert_verifier(users)
        .with_single_cert(identity.chain(), identity.private_key())
        .map_err(AdminDoorError::Certificate)?;
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
