//! The observe listener: metrics and probes, plain HTTP, nothing secret.

use std::{
    convert::Infallible,
    fmt::Write,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming as Body},
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpStream,
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    app::{App, BackgroundTask, Readiness},
    net::{self, BindError, BoundTcp, Connection, ConnectionHandler, DisplacedError, Drained, NetLimits, Plain},
};

const LIMITS: NetLimits = NetLimits {
    max_connections: ObserveListener::MOST_CONNECTIONS,
    max_connections_per_address: ObserveListener::MOST_CONNECTIONS,
    // There are no handshakes and no users.
    max_connections_per_user: 0,
    max_handshakes: 0,
    max_unauthenticated: 0,
    // A client sends its request as soon as it is connected, whatever the round trip. A probe often has no more than a
    // second, so places must become free sooner, when others behind the same address send nothing.
    least_age: Duration::from_millis(250),
    handshake_deadline: Duration::ZERO,
    grace: Duration::ZERO,
    drain_deadline: Duration::from_secs(1),
};
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 8192;
/// How long an answer of `/readyz` is reused. Each check writes to the disk, and this bounds how often that happens, however
/// many probes come.
const READINESS_HOLDS: Duration = Duration::from_secs(1);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");

/// The listener for Prometheus and probes: `/metrics`, `/livez`, `/readyz`.
#[derive(Debug)]
pub struct ObserveListener {
    bound: BoundTcp,
    limits: NetLimits,
}

impl ObserveListener {
    /// The most connections at once: far more than one Prometheus and one kubelet open.
    pub const MOST_CONNECTIONS: u32 = 128;

    /// Listens; connections wait in the kernel until [`serve`](Self::serve). To be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`BindError`], which names the address and what to do.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = BoundTcp::bind(address, "--observe-listen")?;
        Ok(Self { bound, limits: LIMITS })
    }

    /// Where it listens: the port the kernel chose, if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.bound.local_addr()
    }

    /// The same with at most this many connections.
    #[must_use]
    pub fn with_at_most(self, connections: u32) -> Self {
        let limits = NetLimits { max_connections: connections, ..self.limits };
        Self { limits, ..self }
    }

    /// Serves until `shutdown` ends, then at most a second more for answers on their way.
    pub async fn serve(self, app: Arc<App>, shutdown: impl Future<Output = ()> + Send) -> Drained {
        let handler = ObserveHandler { http: http(), service: ObserveService { app, readiness: Arc::default() } };
        net::serve(self.bound, handler, self.limits, shutdown).await
    }
}

struct ObserveHandler {
    http: http1::Builder,
    service: ObserveService,
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .keep_alive(false)
        .half_close(true)
        .title_case_headers(true)
        .header_read_timeout(REQUEST_DEADLINE)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    http
}

impl ConnectionHandler for ObserveHandler {
    const NAME: &'static str = "observe";
    type Socket = BoundTcp;
    type Transport = Plain;

    fn transport(&self) -> &Plain {
        &Plain
    }

    /// Twice the deadline of a request: once for the request to arrive, once for the answer to be made and read.
    fn serving_deadline(&self, _: &TcpStream) -> Option<Duration> {
        Some(2 * REQUEST_DEADLINE)
    }

    async fn serve(&self, stream: TcpStream, connection: Connection) {
        let service = TowerToHyperService::new(ConnectionService {
            service: self.service.clone(),
            connection: Arc::new(connection),
        });
        // An error is the client's: it has gone, or does not speak HTTP.
        let _ = self.http.serve_connection(TokioIo::new(stream), service).await;
    }
}

/// The service of one connection.
#[derive(Clone)]
struct ConnectionService {
    service: ObserveService,
    connection: Arc<Connection>,
}

#[derive(Clone)]
struct ObserveService {
    app: Arc<App>,
    readiness: Arc<Mutex<Option<Seen>>>,
}

/// The result of the last check of readiness.
struct Seen {
    at: Instant,
    draining: bool,
    readiness: Readiness,
}

impl tower::Service<Request<Body>> for ConnectionService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { service, connection } = self.clone();
        Box::pin(async move {
            // Only until the answer is made: a client that does not read it can lose its place.
            match connection.permit.begin_request() {
                Ok(_active) => Ok(service.answer(request.method(), request.uri().path()).await),
                // The connection is being closed, and this with it.
                Err(DisplacedError) => std::future::pending().await,
            }
        })
    }
}

impl ObserveService {
    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let page = match path {
            "/metrics" => Page::Metrics,
            "/livez" => Page::Live,
            "/readyz" => Page::Ready,
            _ => return response(StatusCode::NOT_FOUND, TEXT, "not found\n".to_owned()),
        };
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut refused =
                response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD are supported\n".to_owned());
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match page {
            Page::Metrics => response(StatusCode::OK, METRICS_TEXT, self.app.metrics_text()),
            Page::Live => self.live(),
            Page::Ready => self.ready().await,
        }
    }

    fn live(&self) -> Response<Full<Bytes>> {
        let lost = self.app.lost_tasks();
        if lost.is_empty() {
            return response(StatusCode::OK, TEXT, "ok".to_owned());
        }
        let lines = lost.into_iter().map(|task| format!("[-]{} failed: it panicked\n", task.name())).collect();
        response(StatusCode::SERVICE_UNAVAILABLE, TEXT, lines)
    }

    async fn ready(&self) -> Response<Full<Bytes>> {
        match timeout(REQUEST_DEADLINE, self.look()).await {
            Ok((true, checks)) => response(StatusCode::OK, TEXT, checks),
            Ok((false, checks)) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, checks),
            Err(_) => {
                response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "[-]checks failed: not done in time\n".to_owned())
            }
        }
    }

    /// Whether the server is ready, and each check on a line of its own.
    async fn look(&self) -> (bool, String) {
        // Held while the checks run: a request that comes meanwhile gets their result and starts none.
        let mut seen = self.readiness.lock().await;
        let draining = self.app.is_draining();
        let holds = |seen: &Seen| seen.draining == draining && seen.at.elapsed() < READINESS_HOLDS;
        let seen = match seen.take().filter(holds) {
            Some(held) => seen.insert(held),
            None => {
                let readiness = self.app.supervised(BackgroundTask::Readiness, self.app.readiness()).await;
                seen.insert(Seen { at: Instant::now(), draining, readiness })
            }
        };
        (seen.readiness.is_ready(), lines(&seen.readiness))
    }
}

enum Page {
    Metrics,
    Live,
    Ready,
}

fn lines(readiness: &Readiness) -> String {
    let mut text = String::new();
    for check in &readiness.checks {
        // Writing to a String does not fail.
        let _ = match (&check.fault, &check.note) {
            (None, None) => writeln!(text, "[+]{} ok", check.name),
            (None, Some(note)) => writeln!(text, "[+]{} ok, except {note}", check.name),
            (Some(fault), _) => writeln!(text, "[-]{} failed: {fault}", check.name),
        };
    }
    text
}

fn response(status: StatusCode, content_type: HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
