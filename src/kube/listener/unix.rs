//! The admin listener on a Unix socket. A client that may open the socket file has every permission.

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use tokio::net::UnixStream;
use tracing::debug;

use super::{
    AdminListenerError, DRAIN_DEADLINE,
    connection::{Protocol, serve},
};
use crate::{
    app::App,
    kube::{access::caller::Peer, wire::service::AdminService},
    metrics::Rejection,
    net::{self, BoundUnix, Connection, ConnectionHandler, Drained, NetLimits, Plain},
};

const LIMITS: NetLimits = NetLimits {
    max_connections: AdminSocketListener::MOST_CONNECTIONS,
    max_connections_per_address: AdminSocketListener::MOST_CONNECTIONS,
    max_connections_per_user: AdminSocketListener::MOST_CONNECTIONS,
    // A Unix socket has no TLS handshakes and one user, so the limits of those have no effect.
    max_handshakes: 0,
    max_unauthenticated: 0,
    handshake_deadline: Duration::ZERO,
    // A client on the same machine sends its request at once.
    least_age: Duration::from_secs(1),
    grace: Duration::ZERO,
    drain_deadline: DRAIN_DEADLINE,
};

/// The body of the answer to a connection above the limit.
const TURNED_AWAY: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":503,"reason":"ServiceUnavailable","message":"too many connections, please try again later","details":{"retryAfterSeconds":1}}"#;

/// The admin listener for the owner of the socket file, bound and not yet serving.
#[derive(Debug)]
pub struct AdminSocketListener {
    bound: BoundUnix,
    limits: NetLimits,
}

impl AdminSocketListener {
    /// The most connections at once.
    pub const MOST_CONNECTIONS: u32 = 64;

    /// Binds the socket, mode 0600, and listens. A socket left over at this path is replaced: the caller holds the
    /// data directory's lock, so no process serves it any more.
    ///
    /// Must be called within a Tokio runtime. Dropping the listener removes the socket file.
    ///
    /// # Errors
    /// [`AdminListenerError::Socket`]; then no file was left behind.
    pub fn bind(path: &Path) -> Result<Self, AdminListenerError> {
        let bound = BoundUnix::bind(path, "--data-dir").map_err(AdminListenerError::Socket)?;
        Ok(Self { bound, limits: LIMITS })
    }

    /// The path of the socket.
    pub fn path(&self) -> &Path {
        self.bound.path()
    }

    /// The same with at most this many connections.
    #[must_use]
    pub fn with_at_most(self, connections: u32) -> Self {
        let limits = NetLimits { max_connections: connections, ..self.limits };
        Self { limits, ..self }
    }

    /// Serves until `shutdown` ends, then takes no more connections, removes the socket file, and lets the requests
    /// that have begun finish, for at most 22 seconds.
    pub async fn serve(self, app: Arc<App>, shutdown: impl Future<Output = ()> + Send) -> Drained {
        let handler = AdminSocketHandler { service: AdminService::new(app) };
        net::serve(self.bound, handler, self.limits, shutdown).await
    }
}

struct AdminSocketHandler {
    service: AdminService,
}

impl ConnectionHandler for AdminSocketHandler {
    const NAME: &'static str = "admin socket";
    type Socket = BoundUnix;
    type Transport = Plain;

    fn transport(&self) -> &Plain {
        &Plain
    }

    /// Refuses a connection above the limit, without reading its request: reading would need a permit.
    fn turn_away(&self, stream: &UnixStream, _: Rejection) {
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{TURNED_AWAY}",
            TURNED_AWAY.len()
        );
        // A client that has disconnected, or does not read, does not get the answer.
        let _ = stream.try_write(answer.as_bytes());
    }

    fn serving_deadline(&self, _: &UnixStream) -> Option<Duration> {
        None
    }

    async fn serve(&self, stream: UnixStream, connection: Connection) {
        match stream.peer_cred() {
            Ok(user) => {
                let peer = Peer::Owner { uid: user.uid() };
                serve(stream, Protocol::Http1, self.service.of(peer), connection).await;
            }
            Err(error) => debug!(%error, "an admin connection was closed: the system does not say whose it is"),
        }
    }
}
