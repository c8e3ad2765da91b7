//! What a listener does with its connections: implemented for each listener in `http` and `kube`.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use super::{Acceptor, Peer, Permit, Proxies, Transport};
use crate::metrics::{Metrics, Rejection};

/// A connection as it comes from the socket of a listener.
pub type Raw<H> = <<H as ConnectionHandler>::Socket as Acceptor>::Stream;
/// A connection of a listener that is ready for HTTP.
pub type Established<H> = <<H as ConnectionHandler>::Transport as Transport<Raw<H>>>::Stream;

/// Who a connection that is ready for HTTP belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The address it comes from.
    Address,
    /// A user, whatever the address.
    User(Arc<str>),
    /// Nobody that is known, on a listener for users.
    Unauthenticated,
}

/// One listener: which TLS, which service, and what is counted.
pub trait ConnectionHandler: Send + Sync + 'static {
    /// The listener's name in the log.
    const NAME: &'static str;
    /// The socket that accepts connections.
    type Socket: Acceptor;
    /// The layer between the socket and HTTP: TLS or none.
    type Transport: Transport<Raw<Self>>;

    /// Makes a connection of the socket ready for HTTP.
    fn transport(&self) -> &Self::Transport;

    /// The metrics in which connections are counted; `None` when they are not counted.
    fn metrics(&self) -> Option<&Metrics> {
        None
    }

    /// Sends an answer to a connection that is not admitted, without waiting, before it is closed.
    fn turn_away(&self, stream: &Raw<Self>, why: Rejection) {
        let _ = (stream, why);
    }

    /// The load balancers whose connections begin with a PROXY header, before the handshake; `None` when there are none.
    fn proxies(&self) -> Option<&Proxies> {
        None
    }

    /// Who an established connection belongs to, for the shares of connections.
    fn holder(&self, stream: &Established<Self>) -> Holder {
        let _ = stream;
        Holder::Address
    }

    /// How long this connection may be served at most; `None` when [`serve`](Self::serve) has deadlines of its own.
    fn serving_deadline(&self, stream: &Established<Self>) -> Option<Duration>;

    /// Serves a connection to its end. May be dropped at any time.
    fn serve(&self, stream: Established<Self>, connection: Connection) -> impl Future<Output = ()> + Send;
}

/// An admitted connection, and what its handler needs to serve it.
#[derive(Debug)]
pub struct Connection {
    /// To be kept as long as the connection, or the work that it has caused, goes on: so that is bounded too.
    pub permit: Permit,
    /// Shows when the listener closes, and the connection has to finish.
    pub closing: Closing,
}

impl Connection {
    /// The address of its client.
    pub fn peer(&self) -> Peer {
        self.permit.peer()
    }
}

/// Shows a connection that its listener is closing.
#[derive(Debug, Clone)]
pub struct Closing {
    /// Nothing is ever sent: the sender is dropped.
    stop: watch::Receiver<()>,
    grace: Duration,
}

impl Closing {
    pub(super) fn new(stop: watch::Receiver<()>, grace: Duration) -> Self {
        Self { stop, grace }
    }

    /// Ends [`grace`](super::NetLimits::grace) after the listener began to close, and from then on at once. May be cancelled
    /// and called again.
    pub async fn begun(&mut self) {
        while self.stop.changed().await.is_ok() {}
        if !self.grace.is_zero() {
            sleep(self.grace).await;
            self.grace = Duration::ZERO;
        }
    }
}
