//! The accept loop of every listener: admission, the phases of a connection with their deadlines, and the drain.

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};
use tracing::{debug, warn};

use super::{
    Acceptor as _, Peer, Permit, Source, Transport as _,
    handler::{Closing, Connection, ConnectionHandler, Established, Holder, Raw},
    incoming::{Accepted, Incoming},
    limiter::ConnectionLimiter,
    places::{NoPlace, PlaceLimits},
    pool::PoolLimits,
    tasks::Tasks,
};
use crate::metrics::{ConnectionState, HandshakeOutcome, KeyExchange, Rejection};

/// The limits of a listener. Beyond a limit a connection is closed, never queued: a new one, or one of the source (an
/// address, or a user) that holds the most and has sent no complete request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetLimits {
    /// The most connections at once, those in their handshake included, and work whose client has gone.
    pub max_connections: u32,
    /// The most connections from one address, without those of users.
    pub max_connections_per_address: u32,
    /// The most connections of one user.
    pub max_connections_per_user: u32,
    /// The most handshakes at once. A connection from which nothing was read is not in its handshake yet.
    pub max_handshakes: u32,
    /// The most connections of [`Holder::Unauthenticated`] at once.
    pub max_unauthenticated: u32,
    /// How long a connection without a complete request keeps its place at least, since it was accepted, against
    /// connections of sources that hold as many places as its own: longer than an honest client needs.
    pub least_age: Duration,
    /// From the accepted connection to the end of its handshake.
    pub handshake_deadline: Duration,
    /// From the request to stop until handshakes are given up and connections without a request are closed.
    pub grace: Duration,
    /// From the request to stop until connections still open are cut.
    pub drain_deadline: Duration,
}

/// How a listener closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections, and work whose client has gone, that were still there when the drain deadline ended.
    pub cut: u32,
}

/// Serves the connections of `socket` until `shutdown` ends, then takes no more, lets requests that have begun finish, and
/// cuts what is left after [`NetLimits::drain_deadline`].
pub async fn serve<H: ConnectionHandler>(
    socket: H::Socket,
    handler: H,
    limits: NetLimits,
    shutdown: impl Future<Output = ()> + Send,
) -> Drained {
    let (open, stop) = watch::channel(());
    let mut incoming = Incoming::new(socket);
    let mut listener = Listener {
        handler: Arc::new(handler),
        closing: Closing::new(stop, limits.grace),
        limiter: ConnectionLimiter::new(PlaceLimits {
            connections: PoolLimits {
                places: limits.max_connections,
                per_address: limits.max_connections_per_address,
                per_user: limits.max_connections_per_user,
                least_age: limits.least_age,
            },
            handshakes: limits.max_handshakes,
            unauthenticated: limits.max_unauthenticated,
        }),
        tasks: Tasks::of(H::NAME),
        limits,
    };
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            () = listener.tasks.one_ended() => {}
            accepted = incoming.next() => listener.take(accepted),
        }
    }
    // The socket closes: from here on the kernel refuses connections.
    drop((incoming, open));
    listener.drain().await
}

struct Listener<H> {
    handler: Arc<H>,
    limits: NetLimits,
    closing: Closing,
    limiter: ConnectionLimiter,
    tasks: Tasks,
}

impl<H: ConnectionHandler> Listener<H> {
    fn take(&mut self, accepted: Accepted<Raw<H>>) {
        match accepted {
            Accepted::Connection(stream, peer) => match self.limiter.admit(peer, self.source(peer), Instant::now()) {
                Ok(permit) => self.spawn(stream, permit),
                // Dropping the socket closes it: a client beyond the limit learns of it at once, and nothing is queued.
                Err(limit) => {
                    self.handler.turn_away(&stream, limit);
                    rejected(&*self.handler, limit);
                }
            },
            Accepted::NoDescriptors => rejected(&*self.handler, Rejection::Descriptors),
            Accepted::Nothing => {}
        }
    }

    /// For whom a connection counts before anything was read from it.
    fn source(&self, peer: Peer) -> Source {
        match self.handler.proxies() {
            Some(proxies) if proxies.include(peer) => Source::LoadBalancers,
            Some(_) | None => Source::from(peer),
        }
    }

    fn spawn(&mut self, stream: Raw<H>, permit: Permit) {
        let (handler, closing) = (Arc::clone(&self.handler), self.closing.clone());
        let handshake_deadline = self.limits.handshake_deadline;
        self.tasks.spawn(async move { see_through(&*handler, stream, permit, closing, handshake_deadline).await });
    }

    async fn drain(self) -> Drained {
        let _ = timeout(self.limits.drain_deadline, self.limiter.emptied()).await;
        let cut = self.limiter.in_use();
        if cut > 0 {
            warn!(listener = H::NAME, connections.cut = cut, "the drain time is over; what was left is cut off");
        }
        self.tasks.abort().await;
        Drained { cut }
    }
}

/// One connection, from its acceptance until it ends or loses its place.
async fn see_through<H: ConnectionHandler>(
    handler: &H,
    stream: Raw<H>,
    permit: Permit,
    closing: Closing,
    handshake_deadline: Duration,
) {
    let (peer, displacement) = (permit.peer(), permit.displacement());
    tokio::select! {
        () = phases(handler, stream, permit, closing, handshake_deadline) => {}
        why = displacement.happened() => {
            rejected(handler, why);
            debug!(listener = H::NAME, %peer, "connection closed in favour of another one");
        }
    }
}

async fn phases<H: ConnectionHandler>(
    handler: &H,
    stream: Raw<H>,
    permit: Permit,
    mut closing: Closing,
    handshake_deadline: Duration,
) {
    if let Err(error) = H::Socket::prepare(&stream) {
        debug!(listener = H::NAME, peer = %permit.peer(), %error, "connection lost before it began");
        return;
    }
    let Some(stream) = establish(handler, stream, &permit, &mut closing, handshake_deadline).await else { return };
    let held = match handler.holder(&stream) {
        Holder::Address => Ok(()),
        Holder::User(name) => permit.belongs_to(Source::User(name)),
        Holder::Unauthenticated => permit.unauthenticated(),
    };
    if let Err(no_place) = held {
        return without_place(handler, no_place).await;
    }
    permit.open();
    let peer = permit.peer();
    let _occupancy = handler.metrics().map(|metrics| metrics.connection(ConnectionState::Open));
    let deadline = handler.serving_deadline(&stream);
    // On the heap: a connection that is not established yet needs no room for this.
    let mut served = Box::pin(handler.serve(stream, Connection { permit, closing }));
    match deadline {
        None => served.await,
        Some(deadline) => {
            if timeout(deadline, served.as_mut()).await.is_err() {
                debug!(listener = H::NAME, %peer, "connection closed at its deadline");
            }
        }
    }
}

async fn establish<H: ConnectionHandler>(
    handler: &H,
    stream: Raw<H>,
    permit: &Permit,
    closing: &mut Closing,
    deadline: Duration,
) -> Option<Established<H>> {
    if !H::Transport::HAS_HANDSHAKE {
        return handler.transport().establish(stream).await.ok();
    }
    let outcome = tokio::select! {
        outcome = timeout_at(permit.accepted() + deadline, handshake(handler, stream, permit)) => outcome,
        () = closing.begun() => {
            rejected(handler, Rejection::Draining);
            return None;
        }
    };
    let ended = |outcome, group| {
        if let Some(metrics) = handler.metrics() {
            metrics.handshake(outcome, group);
        }
    };
    match outcome {
        Ok(None) => None,
        Ok(Some(Ok(stream))) => {
            ended(HandshakeOutcome::Completed, H::Transport::key_exchange(&stream));
            Some(stream)
        }
        Ok(Some(Err(error))) => {
            ended(HandshakeOutcome::Failed, KeyExchange::None);
            debug!(listener = H::NAME, peer = %permit.peer(), %error, "TLS handshake failed");
            None
        }
        Err(_) => {
            ended(HandshakeOutcome::TimedOut, KeyExchange::None);
            debug!(listener = H::NAME, peer = %permit.peer(), "TLS handshake not finished in time");
            None
        }
    }
}

/// Waits for the first bytes, which need no TLS state, and goes through the handshake. `None` when there is no place for it.
async fn handshake<H: ConnectionHandler>(
    handler: &H,
    mut stream: Raw<H>,
    permit: &Permit,
) -> Option<io::Result<Established<H>>> {
    let occupied = |state| handler.metrics().map(|metrics| metrics.connection(state));
    let waiting = occupied(ConnectionState::Waiting);
    if handler.proxies().is_some_and(|proxies| proxies.include(permit.peer())) {
        identify(handler, &mut stream, permit).await?;
    }
    if let Err(error) = H::Socket::first_bytes(&stream).await {
        return Some(Err(error));
    }
    drop(waiting);
    if let Err(no_place) = permit.begin_handshake() {
        without_place(handler, no_place).await;
        return None;
    }
    let _occupancy = occupied(ConnectionState::Handshaking);
    Some(handler.transport().establish(stream).await)
}

/// Reads the header of a load balancer, and counts the connection for the client that it names. `None` when the connection
/// must be closed.
async fn identify<H: ConnectionHandler>(handler: &H, stream: &mut Raw<H>, permit: &Permit) -> Option<()> {
    match handler.proxies()?.client(stream, permit.peer(), permit.accepted()).await {
        Ok(None) => {}
        Ok(Some(client)) => {
            if let Err(no_place) = permit.identify(client) {
                without_place(handler, no_place).await;
                return None;
            }
        }
        Err(error) => {
            rejected(handler, Rejection::ProxyHeader);
            debug!(listener = H::NAME, peer = %permit.peer(), %error, "no PROXY header");
            return None;
        }
    }
    Some(())
}

/// Counts a connection that was refused a place. One that has lost its place is counted where that is noticed, which ends
/// this wait.
async fn without_place<H: ConnectionHandler>(handler: &H, no_place: NoPlace) {
    match no_place {
        NoPlace::Refused(why) => rejected(handler, why),
        NoPlace::Lost => std::future::pending().await,
    }
}

fn rejected<H: ConnectionHandler>(handler: &H, why: Rejection) {
    if let Some(metrics) = handler.metrics() {
        metrics.rejected(why);
    }
}
