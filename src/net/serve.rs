//! The accept loop of every listener: admission, the phases of a connection with their deadlines, and the drain.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};
use tracing::{debug, warn};

use super::{
    Acceptor as _, Peer, Permit, Transport as _,
    handler::{Closing, Connection, ConnectionHandler, Established, Raw},
    incoming::{Accepted, Incoming},
    limiter::ConnectionLimiter,
    tasks::Tasks,
};
use crate::metrics::{ConnectionState, HandshakeOutcome, KeyExchange, Rejection};

/// The limits of a listener. Beyond a limit a connection is closed, never queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetLimits {
    /// The most connections at once, those in their handshake included, and work whose client has gone.
    pub max_connections: u32,
    /// The most handshakes at once; one more takes the permit of the oldest.
    pub max_handshakes: u32,
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
        limiter: ConnectionLimiter::new(limits.max_connections, limits.max_handshakes),
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
            Accepted::Connection(stream, peer) => match self.admit(peer) {
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

    fn admit(&mut self, peer: Peer) -> Result<Permit, Rejection> {
        let permit = self.limiter.admit(peer)?;
        if H::Transport::HAS_HANDSHAKE {
            self.limiter.begin_handshake(&permit)?;
        }
        Ok(permit)
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

/// One connection, from its handshake to its end.
async fn see_through<H: ConnectionHandler>(
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
    permit.serve();
    let peer = permit.peer();
    let _occupancy = handler.metrics().map(|metrics| metrics.connection(ConnectionState::Open));
    let deadline = handler.serving_deadline(&stream);
    let mut served = pin!(handler.serve(stream, Connection { permit, closing }));
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
    let _occupancy = handler.metrics().map(|metrics| metrics.connection(ConnectionState::Handshaking));
    let outcome = tokio::select! {
        outcome = timeout(deadline, handler.transport().establish(stream)) => outcome,
        () = closing.begun() => {
            rejected(handler, Rejection::Draining);
            return None;
        }
        () = permit.displaced() => {
            rejected(handler, Rejection::Handshakes);
            return None;
        }
    };
    let ended = |outcome, group| {
        if let Some(metrics) = handler.metrics() {
            metrics.handshake(outcome, group);
        }
    };
    match outcome {
        Ok(Ok(stream)) => {
            ended(HandshakeOutcome::Completed, H::Transport::key_exchange(&stream));
            Some(stream)
        }
        Ok(Err(error)) => {
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

fn rejected<H: ConnectionHandler>(handler: &H, why: Rejection) {
    if let Some(metrics) = handler.metrics() {
        metrics.rejected(why);
    }
}
