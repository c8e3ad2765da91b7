//! One connection of the redeem listener: one request, one answer, and a close that loses neither.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
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
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::{
    Limits,
    problem::TOO_SLOW,
    redeem::{RedeemService, RequestContext},
    request::RequestFault,
};
use crate::{
    app::App,
    metrics::Metrics,
    net::{BoundTcp, Connection, ConnectionHandler, Permit, Proxies, Tls},
};

/// The time a client has to read an answer that was ready at the deadline.
const FLUSH_ALLOWANCE: Duration = Duration::from_secs(1);
/// One part in this many of the time is reserved at its end for a commit in progress and for the answer. Of ten seconds,
/// these are 2.5: two round trips of a second (a client's clock begins one before the server's, and the answer needs half of
/// one), and the commit.
const COMMIT_ALLOWANCE: u32 = 4;
/// How long bytes that are not needed are read after an answer: closing a socket with unread bytes resets it, and a reset
/// can destroy the answer on its way. No bytes are decrypted, so a sender pays more for them than the server.
const LINGER: Duration = Duration::from_secs(1);
/// The least that hyper takes as its buffer.
const LEAST_BUFFER: usize = 8192;

/// What the connections of the listener share.
pub(super) struct RedeemHandler {
    app: Arc<App>,
    limits: Limits,
    tls: Tls,
    proxies: Proxies,
    http: http1::Builder,
}

impl RedeemHandler {
    pub(super) fn new(app: Arc<App>, limits: Limits, tls: Tls, proxies: Proxies) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .keep_alive(false)
            // The end of the client's stream ends the exchange: a client that gave up must not spend a redemption. It looks
            // the same as a client that only closes its sending side, which no client of Skupper does.
            .half_close(false)
            .title_case_headers(true)
            .max_headers(limits.max_headers)
            .max_header_size(limits.max_header_bytes)
            .max_buf_size(limits.max_header_bytes.max(LEAST_BUFFER));
        Self { app, limits, tls, proxies, http }
    }
}

impl ConnectionHandler for RedeemHandler {
    const NAME: &'static str = "redeem";
    type Socket = BoundTcp;
    type Transport = Tls;

    fn transport(&self) -> &Tls {
        &self.tls
    }

    fn metrics(&self) -> Option<&Metrics> {
        Some(self.app.metrics())
    }

    fn proxies(&self) -> Option<&Proxies> {
        Some(&self.proxies)
    }

    fn serving_deadline(&self, _: &TlsStream<TcpStream>) -> Option<Duration> {
        None
    }

    async fn serve(&self, mut tls: TlsStream<TcpStream>, connection: Connection) {
        // From its acceptance on, as the client's own time to wait has begun before that.
        let (begun, peer) = (connection.permit.accepted(), connection.peer());
        let Connection { permit, mut closing } = connection;
        // hyper has a buffer of 8 KiB from its first read on. Thousands of connections that send nothing would have one each.
        // The end of the time or of the server, and what is wrong with the stream, is found again below.
        let _ = timeout_at(begun + self.limits.request_deadline, async {
            tokio::select! {
                _ = tls.fill_buf() => {}
                () = closing.begun() => {}
            }
        })
        .await;
        let service = self.service(begun, permit);
        let mut http = self.http.clone();
        http.header_read_timeout((begun + self.limits.request_deadline).saturating_duration_since(Instant::now()));
        let mut connection = http.serve_connection(TokioIo::new(tls), TowerToHyperService::new(service.clone()));
        let served = timeout_at(begun + self.limits.request_deadline + FLUSH_ALLOWANCE, async {
            tokio::select! {
                served = &mut connection => return served,
                () = closing.begun() => {}
            }
            // Closes a connection without a request; lets any other finish.
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
                // The connection is closed also when this fails.
                let _ = timeout(FLUSH_ALLOWANCE, tls.write_all(request_timeout().as_bytes())).await;
            } else if error.is_parse() {
                service.refused(&RequestFault::Malformed, Duration::ZERO);
            }
        }
        // hyper does this by itself, except for a request that asked for an upgrade. Twice is harmless.
        let closed = timeout(FLUSH_ALLOWANCE, tls.shutdown()).await;
        let unread = !service.context.received.load(Ordering::Relaxed) || !parts.read_buf.is_empty();
        if unread && closed.is_ok() {
            let _ = timeout(LINGER, linger(tls)).await;
        }
    }
}

impl RedeemHandler {
    fn service(&self, begun: Instant, permit: Permit) -> RedeemService {
        let deadline = self.limits.request_deadline;
        let context = RequestContext {
            permit,
            deadline: (begun + deadline).into_std(),
            last_commit: (begun + deadline - deadline / COMMIT_ALLOWANCE).into_std(),
            max_body_bytes: self.limits.max_body_bytes,
            received: AtomicBool::new(false),
            active: OnceLock::new(),
        };
        RedeemService { app: Arc::clone(&self.app), context: Arc::new(context) }
    }
}

/// The answer when the head of a request does not arrive in time: hyper sends none by itself.
fn request_timeout() -> String {
    format!(
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{TOO_SLOW}\n",
        TOO_SLOW.len() + 1
    )
}

/// Reads and discards bytes until the other side closes too.
async fn linger(tls: TlsStream<TcpStream>) -> io::Result<()> {
    let (mut stream, _) = tls.into_inner();
    // On the heap: the buffer would be part of every connection's future, and few connections need it.
    let mut buffer = vec![0; 16 * 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
