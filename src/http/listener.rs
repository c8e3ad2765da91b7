//! The redeem listener: its socket, and how it is served.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use super::{Limits, TlsError, connection::RedeemHandler, tls::tls};
use crate::{
    app::App,
    net::{self, BindError, BoundTcp, Drained, NetLimits, Network, Proxies},
};

/// After the request to stop, for a handshake to end and for a request to begin.
const GRACE: Duration = Duration::from_secs(1);

/// What a client with a round trip of 1 s needs from its connection until its request has arrived: one round trip for the
/// handshake, another one when the server asks for a different key exchange group, and 1 s until the first lost packet is
/// sent again (RFC 6298).
const LEAST_AGE: Duration = Duration::from_secs(3);

/// The listener for connecting sites: TLS 1.3, `POST /<uuid>`, nothing else.
#[derive(Debug)]
pub struct RedeemListener {
    socket: BoundTcp,
    proxies: Proxies,
}

impl RedeemListener {
    /// Listens; connections wait in the kernel until [`serve`](Self::serve). To be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`BindError`], which names the address and what to do.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let socket = BoundTcp::bind(address, "--listen")?;
        Ok(Self { socket, proxies: Proxies::default() })
    }

    /// The same, behind load balancers with addresses in these networks: each of their connections must begin with a PROXY
    /// header, which says whose it is. All other clients connect directly.
    pub fn behind(self, networks: Vec<Network>) -> Self {
        Self { proxies: Proxies::new(networks), ..self }
    }

    /// Where it listens: the port the kernel chose, if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Serves until `shutdown` ends, then refuses new connections, lets requests that have begun finish, and closes
    /// the others after a second. What is left after [`Limits::drain_deadline`] is cut.
    ///
    /// # Errors
    /// [`TlsError`] at once, when the published certificate cannot be used.
    pub async fn serve(
        self,
        app: Arc<App>,
        limits: Limits,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<Drained, TlsError> {
        let of_connections = NetLimits {
            max_connections: limits.max_connections,
            max_connections_per_address: match limits.max_connections_per_peer {
                0 => limits.max_connections,
                most => most,
            },
            max_handshakes: limits.max_handshakes,
            // This listener has no users.
            max_connections_per_user: 0,
            max_unauthenticated: 0,
            least_age: LEAST_AGE,
            handshake_deadline: limits.handshake_deadline,
            grace: GRACE,
            drain_deadline: limits.drain_deadline,
        };
        let handler = RedeemHandler::new(Arc::clone(&app), limits, tls(app)?, self.proxies);
        Ok(net::serve(self.socket, handler, of_connections, shutdown).await)
    }
}
