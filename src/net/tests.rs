//! The accept loop with connections in memory: admission, deadlines, the drain.

mod limiter;
pub(in crate::net) mod log;
mod places;
mod proxied;

use std::{
    future::Future,
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout},
};

use self::log::Log;
use super::{
    Acceptor, ActiveRequest, Connection, ConnectionHandler, Drained, NetLimits, Peer, Permit, Proxies, Transport, serve,
};
use crate::metrics::{KeyExchange, Metrics};

const LIMITS: NetLimits = NetLimits {
    max_connections: 10,
    max_connections_per_address: 10,
    max_connections_per_user: 10,
    max_handshakes: 10,
    max_unauthenticated: 10,
    least_age: Duration::from_secs(3),
    handshake_deadline: Duration::from_secs(5),
    grace: Duration::from_secs(1),
    drain_deadline: Duration::from_secs(25),
};
/// How long the test's handler lets a connection live.
const SERVING_DEADLINE: Duration = Duration::from_secs(60);
/// Longer than any deadline here; time is paused, so nothing takes that long.
const PATIENCE: Duration = Duration::from_secs(600);

/// A socket that accepts the connections that the test makes.
struct Connections(Mutex<mpsc::UnboundedReceiver<(DuplexStream, Peer)>>);

impl Acceptor for Connections {
    type Stream = DuplexStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(DuplexStream, Peer)>> {
        match self.0.lock().unwrap().poll_recv(context) {
            Poll::Ready(Some(accepted)) => Poll::Ready(Ok(accepted)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn prepare(_: &DuplexStream) -> io::Result<()> {
        Ok(())
    }

    async fn first_bytes(_: &DuplexStream) -> io::Result<()> {
        Ok(())
    }
}

/// A handshake of one byte: `h` is a good one.
struct OneByte;

impl Transport<DuplexStream> for OneByte {
    type Stream = DuplexStream;
    const HAS_HANDSHAKE: bool = true;

    async fn establish(&self, mut stream: DuplexStream) -> io::Result<DuplexStream> {
        match stream.read_u8().await? {
            b'h' => Ok(stream),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn key_exchange(_: &DuplexStream) -> KeyExchange {
        KeyExchange::X25519
    }
}

/// Answers each byte by itself, but ends at `q`, panics at `p`, and leaves work behind at `w`.
struct Echo {
    metrics: Arc<Metrics>,
    proxies: Proxies,
    work: mpsc::UnboundedSender<(ActiveRequest, Permit)>,
}

impl ConnectionHandler for Echo {
    const NAME: &'static str = "echo";
    type Socket = Connections;
    type Transport = OneByte;

    fn transport(&self) -> &OneByte {
        &OneByte
    }

    fn metrics(&self) -> Option<&Metrics> {
        Some(&self.metrics)
    }

    fn proxies(&self) -> Option<&Proxies> {
        Some(&self.proxies)
    }

    fn serving_deadline(&self, _: &DuplexStream) -> Option<Duration> {
        Some(SERVING_DEADLINE)
    }

    async fn serve(&self, mut stream: DuplexStream, connection: Connection) {
        let Connection { permit, mut closing } = connection;
        let mut active = None;
        loop {
            let byte = tokio::select! {
                byte = stream.read_u8() => byte,
                () = closing.begun(), if active.is_none() => return,
            };
            match byte {
                Ok(b'p') => panic!("the test wants this panic"),
                Ok(b'w') => {
                    let _ = self.work.send((permit.begin_request().unwrap(), permit));
                    return;
                }
                Ok(b'q') | Err(_) => return,
                Ok(byte) => {
                    active = Some(permit.begin_request().unwrap());
                    stream.write_u8(byte).await.unwrap();
                }
            }
        }
    }
}

struct Server {
    metrics: Arc<Metrics>,
    connections: mpsc::UnboundedSender<(DuplexStream, Peer)>,
    work: mpsc::UnboundedReceiver<(ActiveRequest, Permit)>,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

impl Server {
    fn start(limits: NetLimits) -> Self {
        Self::start_behind(Proxies::default(), limits)
    }

    fn start_behind(proxies: Proxies, limits: NetLimits) -> Self {
        let metrics = Arc::new(Metrics::new());
        let (connections, accepted) = mpsc::unbounded_channel();
        let (left, work) = mpsc::unbounded_channel();
        let (shutdown, stop) = oneshot::channel::<()>();
        let handler = Echo { metrics: Arc::clone(&metrics), proxies, work: left };
        let serving = tokio::spawn(serve(Connections(Mutex::new(accepted)), handler, limits, async {
            let _ = stop.await;
        }));
        Self { metrics, connections, work, shutdown, serving }
    }

    fn connect(&self) -> DuplexStream {
        self.connect_from(Peer::Local)
    }

    fn connect_from(&self, peer: Peer) -> DuplexStream {
        let (client, server) = duplex(64);
        self.connections.send((server, peer)).unwrap();
        client
    }

    /// A connection that is served, as an answer shows.
    async fn served(&self) -> DuplexStream {
        let mut client = self.connect();
        client.write_all(b"h1").await.unwrap();
        assert_eq!(within(client.read_u8()).await.unwrap(), b'1');
        client
    }

    fn metric(&self, line: &str) -> u64 {
        let text = self.metrics.render();
        text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' ')).unwrap().parse().unwrap()
    }

    fn rejections(&self, reason: &str) -> u64 {
        self.metric(&format!("grantd_connections_rejected_total{{reason=\"{reason}\"}}"))
    }

    async fn drained(self) -> Drained {
        let Self { shutdown, serving, .. } = self;
        shutdown.send(()).unwrap();
        within(serving).await.unwrap()
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("an end in time")
}

/// Waits until the server closes the connection, and for how long.
async fn closed_after(client: &mut DuplexStream) -> Duration {
    let begun = Instant::now();
    assert_eq!(within(client.read(&mut [0; 8])).await.unwrap(), 0);
    begun.elapsed()
}

/// Lets every other task go on until it waits for time or for the test.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_of_connections_one_is_closed_at_once_and_counted() {
    let server = Server::start(NetLimits { max_connections: 2, ..LIMITS });
    let (first, _second) = (server.served().await, server.served().await);

    assert_eq!(closed_after(&mut server.connect()).await, Duration::ZERO);
    assert_eq!(server.rejections("connections"), 1);

    drop(first);
    settle().await;
    server.served().await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_of_handshakes_the_oldest_is_closed_and_counted() {
    let server = Server::start(NetLimits { max_handshakes: 2, ..LIMITS });
    let (mut oldest, mut younger) = (server.connect(), server.connect());
    tokio::time::sleep(LIMITS.least_age).await;

    server.served().await;

    assert_eq!(closed_after(&mut oldest).await, Duration::ZERO);
    assert_eq!(server.rejections("handshakes"), 1);
    younger.write_all(b"h2").await.unwrap();
    assert_eq!(within(younger.read_u8()).await.unwrap(), b'2');
}

#[tokio::test(start_paused = true)]
async fn a_handshake_ends_at_its_deadline_and_how_it_ended_is_counted() {
    let server = Server::start(LIMITS);
    let mut silent = server.connect();
    assert_eq!(closed_after(&mut silent).await, LIMITS.handshake_deadline);
    let mut wrong = server.connect();
    wrong.write_all(b"x").await.unwrap();
    assert_eq!(closed_after(&mut wrong).await, Duration::ZERO);
    server.served().await;

    for (outcome, group) in [("timed_out", "none"), ("failed", "none"), ("completed", "x25519")] {
        let line = format!("grantd_tls_handshakes_total{{group=\"{group}\",outcome=\"{outcome}\"}}");
        assert_eq!(server.metric(&line), 1, "{outcome}");
    }
    settle().await;
    for state in ["handshaking", "open"] {
        assert_eq!(server.metric(&format!("grantd_connections{{state=\"{state}\"}}")), 0, "{state}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_at_the_deadline_that_its_handler_sets() {
    let server = Server::start(LIMITS);
    let mut client = server.served().await;
    assert_eq!(server.metric("grantd_connections{state=\"open\"}"), 1);

    assert_eq!(closed_after(&mut client).await, SERVING_DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_connection_and_gives_back_its_permit() {
    let server = Server::start(NetLimits { max_connections: 1, ..LIMITS });
    let mut client = server.served().await;
    client.write_all(b"p").await.unwrap();
    assert_eq!(closed_after(&mut client).await, Duration::ZERO);
    settle().await;

    drop(server.served().await);

    assert_eq!(server.drained().await, Drained { cut: 0 });
}

#[tokio::test(start_paused = true)]
async fn while_it_closes_requests_finish_and_the_rest_ends_after_the_grace_time() {
    let log = Log::of_this_thread();
    let server = Server::start(LIMITS);
    let mut busy = server.served().await;
    let (mut handshaking, mut idle) = (server.connect(), server.connect());
    idle.write_all(b"h").await.unwrap();
    settle().await;
    let (begun, metrics) = (Instant::now(), Arc::clone(&server.metrics));
    let draining = tokio::spawn(server.drained());

    assert_eq!(closed_after(&mut handshaking).await, LIMITS.grace);
    assert_eq!(closed_after(&mut idle).await, Duration::ZERO);
    assert!(metrics.render().contains("grantd_connections_rejected_total{reason=\"draining\"} 1"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    busy.write_all(b"2q").await.unwrap();
    assert_eq!(within(busy.read_u8()).await.unwrap(), b'2');

    assert_eq!(within(draining).await.unwrap(), Drained { cut: 0 });
    assert_eq!(begun.elapsed().as_secs(), 4);
    assert_eq!(log.count("cut off"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_is_cut_at_the_drain_deadline_and_counted() {
    let log = Log::of_this_thread();
    let server = Server::start(LIMITS);
    let (mut one, mut two) = (server.served().await, server.served().await);
    let begun = Instant::now();
    let draining = tokio::spawn(server.drained());

    assert_eq!(closed_after(&mut one).await, LIMITS.drain_deadline);
    assert_eq!(closed_after(&mut two).await, Duration::ZERO);

    assert_eq!(within(draining).await.unwrap(), Drained { cut: 2 });
    assert_eq!(begun.elapsed(), LIMITS.drain_deadline);
    assert_eq!(log.count("what was left is cut off"), 1);
}

#[tokio::test(start_paused = true)]
async fn work_whose_connection_has_ended_keeps_its_permit_and_is_waited_for() {
    let mut server = Server::start(NetLimits { max_connections: 1, ..LIMITS });
    let mut client = server.served().await;
    client.write_all(b"w").await.unwrap();
    closed_after(&mut client).await;
    let work = within(server.work.recv()).await.unwrap();

    assert_eq!(closed_after(&mut server.connect()).await, Duration::ZERO);
    assert_eq!(server.rejections("connections"), 1);

    let draining = tokio::spawn(server.drained());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!draining.is_finished());
    drop(work);
    assert_eq!(within(draining).await.unwrap(), Drained { cut: 0 });
}
