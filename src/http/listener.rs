//! The redeem door: who gets in, and how it closes.

use std::{
    collections::VecDeque,
    future::Future,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Weak},
};

use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinError, JoinSet},
    time::timeout,
};
use tracing::error;

use super::{
    Limits, TlsError,
    connection::{Closing, Door, Permits},
    handshake_place::HandshakePlace,
    tls::acceptor,
};
use crate::{
    app::App,
    metrics::Rejection,
    net::{Accepted, BindError, BoundTcp, Incoming, Peer},
};

/// The door for connecting sites: TLS 1.3, `POST /<uuid>`, nothing else.
#[derive(Debug)]
pub struct RedeemDoor(BoundTcp);

/// How the door closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections and redemptions that were still there when the drain deadline ended.
    pub cut: u32,
}

impl RedeemDoor {
    /// Listens; connections wait in the kernel until [`serve`](Self::serve). To be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`BindError`], which names the address and what to do.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        BoundTcp::bind(address, "--listen").map(Self)
    }

    /// Where it listens: the port the kernel chose, if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
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
        let drain_deadline = limits.drain_deadline;
        let (open, closing) = watch::channel(());
        let mut entrance = Entrance::new(app, limits, closing)?;
        let mut incoming = Incoming::new(self.0);
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = entrance.tasks.join_next() => report(ended),
                accepted = incoming.next() => entrance.admit(accepted),
            }
        }
        // The socket closes: the kernel refuses from here on.
        drop((incoming, open));
        let _ = timeout(drain_deadline, entrance.emptied()).await;
        Ok(Drained { cut: entrance.close().await })
    }
}

/// The permits, and the connections that hold them.
struct Entrance {
    app: Arc<App>,
    door: Arc<Door>,
    closing: Closing,
    max_connections: u32,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    /// In the order they began; those that have ended go when they come to the front, at the handshake deadline at last.
    under_way: VecDeque<Weak<HandshakePlace>>,
    tasks: JoinSet<()>,
}

impl Entrance {
    fn new(app: Arc<App>, limits: Limits, closing: Closing) -> Result<Self, TlsError> {
        let acceptor = acceptor(&app)?;
        let semaphore = |permits: u32| Arc::new(Semaphore::new(usize::try_from(permits).unwrap_or(usize::MAX)));
        Ok(Self {
            closing,
            max_connections: limits.max_connections,
            connections: semaphore(limits.max_connections),
            handshakes: semaphore(limits.max_handshakes),
            under_way: VecDeque::new(),
            tasks: JoinSet::new(),
            door: Arc::new(Door::new(Arc::clone(&app), limits, acceptor)),
            app,
        })
    }

    fn admit(&mut self, accepted: Accepted<TcpStream>) {
        match accepted {
            Accepted::Connection(stream, peer) => match self.permits() {
                Ok(permits) => self.spawn(stream, peer, permits),
                // Dropping the socket closes it: a caller beyond the limit learns so at once, and nothing is queued.
                Err(limit) => self.app.metrics().rejected(limit),
            },
            Accepted::NoDescriptors => self.app.metrics().rejected(Rejection::Descriptors),
            Accepted::Nothing => {}
        }
    }

    fn permits(&mut self) -> Result<Permits, Rejection> {
        let connection = Arc::clone(&self.connections).try_acquire_owned().map_err(|_| Rejection::Connections)?;
        while self.under_way.front().is_some_and(|oldest| oldest.strong_count() == 0) {
            self.under_way.pop_front();
        }
        let permit = match Arc::clone(&self.handshakes).try_acquire_owned() {
            Ok(permit) => permit,
            // The oldest makes room: whoever means it is done soon, and whoever only holds a place becomes the oldest. If
            // the newest had to go, a few hundred silent connections would keep everybody out.
            Err(_) => self.oldest_permit().ok_or(Rejection::Handshakes)?,
        };
        let handshake = Arc::new(HandshakePlace::new(permit));
        self.under_way.push_back(Arc::downgrade(&handshake));
        Ok(Permits { connection, handshake })
    }

    fn oldest_permit(&mut self) -> Option<OwnedSemaphorePermit> {
        std::iter::from_fn(|| self.under_way.pop_front()).find_map(|oldest| oldest.upgrade()?.take_away())
    }

    fn spawn(&mut self, stream: TcpStream, peer: Peer, permits: Permits) {
        let door = Arc::clone(&self.door);
        let closing = self.closing.clone();
        self.tasks.spawn(async move { door.serve(stream, peer, permits, closing).await });
    }

    /// Ends when no connection is left, and no redemption whose client has gone.
    async fn emptied(&self) {
        // Never closed, so this ends with every permit in hand.
        let _ = self.connections.acquire_many(self.max_connections).await;
    }

    /// Cuts what is left and tells how much that was.
    async fn close(mut self) -> u32 {
        let free = u32::try_from(self.connections.available_permits()).unwrap_or(self.max_connections);
        self.tasks.abort_all();
        while let Some(ended) = self.tasks.join_next().await {
            report(ended);
        }
        self.max_connections.saturating_sub(free)
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a connection of the redeem door broke off");
    }
}
