//! One connection of the redeem door, from its first byte to its last.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::debug;

use super::{
    Limits,
    handshake_place::HandshakePlace,
    problem::TOO_SLOW,
    redeem::{Exchange, RedeemService},
    request::RequestFault,
    tls::key_exchange,
};
use crate::{
    app::App,
    metrics::{ConnectionState, HandshakeOutcome, KeyExchange, Rejection},
    net::{Acceptor as _, BoundTcp, Peer},
};

/// For a client to take an answer that was ready at the deadline.
const FLUSH_ALLOWANCE: Duration = Duration::from_secs(1);
/// The part of a request's time, one over this, that a commit under way has left to end and be answered.
const COMMIT_ALLOWANCE: u32 = 5;
/// How long bytes nobody wants are read after an answer: closing a socket with unread bytes resets it, and a reset can
/// destroy the answer on its way. No bytes are decrypted, so a sender pays more for them than the door.
const LINGER: Duration = Duration::from_secs(1);
/// After the request to stop, for a handshake to end and for a request to begin.
const DRAIN_GRACE: Duration = Duration::from_secs(1);
/// The least that hyper takes as its buffer.
const LEAST_BUFFER: usize = 8192;

/// What the connections of the door share.
pub(super) struct Door {
    app: Arc<App>,
    limits: Limits,
    acceptor: TlsAcceptor,
    http: http1::Builder,
}

/// What a connection holds while it is there.
pub(super) struct Permits {
    /// A place among the connections.
    pub(super) connection: OwnedSemaphorePermit,
    /// A place among the handshakes.
    pub(super) handshake: Arc<HandshakePlace>,
}

/// Tells connections that the server is stopping: it is, once the sender is gone.
pub(super) type Closing = watch::Receiver<()>;

impl Door {
    pub(super) fn new(app: Arc<App>, limits: Limits, acceptor: TlsAcceptor) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .keep_alive(false)
            // A client may close its sending side after the request and still wait for the answer.
            .half_close(true)
            .title_case_headers(true)
            .header_read_timeout(limits.request_deadline)
            .max_headers(limits.max_headers)
            .max_header_size(limits.max_header_bytes)
            .max_buf_size(limits.max_header_bytes.max(LEAST_BUFFER));
        Self { app, limits, acceptor, http }
    }

    /// Sees the connection through: handshake, one request, one answer.
    pub(super) async fn serve(&self, stream: TcpStream, peer: Peer, permits: Permits, closing: Closing) {
        if let Err(error) = BoundTcp::prepare(&stream) {
            debug!(%peer, %error, "connection lost before it began");
            return;
        }
        let tls = self.handshake(stream, peer, &permits.handshake, closing.clone()).await;
        drop(permits.handshake);
        if let Some(tls) = tls {
            let _occupancy = self.app.metrics().connection(ConnectionState::Open);
            self.exchange(tls, peer, permits.connection, closing).await;
        }
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        peer: Peer,
        place: &HandshakePlace,
        closing: Closing,
    ) -> Option<TlsStream<TcpStream>> {
        let metrics = self.app.metrics();
        let _occupancy = metrics.connection(ConnectionState::Handshaking);
        let outcome = tokio::select! {
            outcome = timeout(self.limits.handshake_deadline, self.acceptor.accept(stream)) => outcome,
            () = stopped(closing) => {
                metrics.rejected(Rejection::Draining);
                return None;
            }
            () = place.lost() => {
                metrics.rejected(Rejection::Handshakes);
                return None;
            }
        };
        match outcome {
            Ok(Ok(tls)) => {
                let group = tls.get_ref().1.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name);
                metrics.handshake(HandshakeOutcome::Completed, key_exchange(group));
                Some(tls)
            }
            Ok(Err(error)) => {
                metrics.handshake(HandshakeOutcome::Failed, KeyExchange::None);
                debug!(%peer, %error, "TLS handshake failed");
                None
            }
            Err(_) => {
                metrics.handshake(HandshakeOutcome::TimedOut, KeyExchange::None);
                debug!(%peer, "TLS handshake not finished in time");
                None
            }
        }
    }

    async fn exchange(&self, tls: TlsStream<TcpStream>, peer: Peer, permit: OwnedSemaphorePermit, closing: Closing) {
        let begun = Instant::now();
        let service = self.service(begun, peer, permit);
        let mut connection = self.http.serve_connection(TokioIo::new(tls), TowerToHyperService::new(service.clone()));
        let served = timeout_at(begun + self.limits.request_deadline + FLUSH_ALLOWANCE, async {
            tokio::select! {
                served = &mut connection => return served,
                () = stopped(closing) => {}
            }
            // Closes a connection on which nothing was said; lets any other finish.
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        });
        let Ok(served) = served.await else {
            debug!(%peer, "answer not taken in time");
            return;
        };
        let parts = connection.into_parts();
        let mut tls = parts.io.into_inner();
        if let Err(error) = served {
            debug!(%peer, %error, "connection ended early");
            if error.is_timeout() {
                service.refused(&RequestFault::TooSlow, Duration::ZERO);
                // Whether it arrives or not, the connection closes.
                let _ = timeout(FLUSH_ALLOWANCE, tls.write_all(request_timeout().as_bytes())).await;
            } else if error.is_parse() {
                service.refused(&RequestFault::Malformed, Duration::ZERO);
            }
        }
        // Once more where hyper has done it: it does not for a request that asked for an upgrade.
        let closed = timeout(FLUSH_ALLOWANCE, tls.shutdown()).await;
        let unread = !service.exchange.received.load(Ordering::Relaxed) || !parts.read_buf.is_empty();
        if unread && closed.is_ok() {
            let _ = timeout(LINGER, linger(tls)).await;
        }
    }

    fn service(&self, begun: Instant, peer: Peer, permit: OwnedSemaphorePermit) -> RedeemService {
        let deadline = self.limits.request_deadline;
        let exchange = Exchange {
            peer,
            deadline: (begun + deadline).into_std(),
            last_commit: (begun + deadline - deadline / COMMIT_ALLOWANCE).into_std(),
            max_body_bytes: self.limits.max_body_bytes,
            received: AtomicBool::new(false),
            _permit: permit,
        };
        RedeemService { app: Arc::clone(&self.app), exchange: Arc::new(exchange) }
    }
}

/// Ends [`DRAIN_GRACE`] after the server began to stop.
async fn stopped(mut closing: Closing) {
    // Nothing is ever sent; an error means that the sender is gone.
    while closing.changed().await.is_ok() {}
    sleep(DRAIN_GRACE).await;
}

/// What hyper does not say by itself when a request's head does not arrive in time.
fn request_timeout() -> String {
    format!(
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{TOO_SLOW}\n",
        TOO_SLOW.len() + 1
    )
}

/// Throws away what still comes, until the other side closes too.
async fn linger(tls: TlsStream<TcpStream>) -> io::Result<()> {
    let (mut stream, _) = tls.into_inner();
    // On the heap: every connection has this future, and few come here.
    let mut buffer = vec![0; 16 * 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
