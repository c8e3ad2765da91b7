//! Attackers: many connections, or connections at a rate, each with the same behaviour.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::distance::connect_from;
use crate::wire::Client;

/// An attack that goes on until this is dropped.
pub(super) struct Attack {
    /// Aborts its tasks, and theirs, when it is dropped.
    _tasks: JoinSet<()>,
    begun: Instant,
    made: Arc<AtomicU64>,
}

impl Attack {
    /// Begins the behaviour this often, whatever becomes of those before.
    pub(super) fn at_a_rate<F>(per_second: u32, mut behaviour: impl FnMut() -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let made = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&made);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut attackers = JoinSet::new();
            let mut ticks = interval(Duration::from_secs(1) / per_second);
            // A machine that was busy gets the rest at once, so that the rate is right over a second.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            loop {
                ticks.tick().await;
                counter.fetch_add(1, Ordering::Relaxed);
                attackers.spawn(behaviour());
                while attackers.try_join_next().is_some() {}
            }
        });
        Self { _tasks: tasks, begun: Instant::now(), made }
    }

    /// Keeps this many of the behaviour going: one that ends is begun again at once.
    pub(super) fn kept_up<F>(count: usize, behaviour: impl Fn() -> F + Send + Sync + Clone + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let made = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let (counter, behaviour) = (Arc::clone(&made), behaviour.clone());
            tasks.spawn(async move {
                loop {
                    counter.fetch_add(1, Ordering::Relaxed);
                    behaviour().await;
                    // A server that closes at once gets the next connection soon, not in an endless loop on this machine.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        Self { _tasks: tasks, begun: Instant::now(), made }
    }

    /// How often the behaviour was begun.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// How often in a second it was begun.
    pub(super) fn per_second(&self) -> u64 {
        let milliseconds = u64::try_from(self.begun.elapsed().as_millis()).unwrap().max(1);
        self.made() * 1000 / milliseconds
    }
}

/// Reads until the server closes.
async fn until_closed(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = [0; 512];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

/// Connects and says nothing until the server closes.
pub(super) async fn silence(from: IpAddr, to: SocketAddr) {
    if let Ok(stream) = connect_from(from, to).await {
        until_closed(stream).await;
    }
}

async fn tls_from(client: &Client, from: IpAddr) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    client.handshake(connect_from(from, client.address()).await?).await
}

/// Finishes the TLS handshake, and says nothing until the server closes.
pub(super) async fn idle_tls(client: Client, from: IpAddr) {
    if let Ok(stream) = tls_from(&client, from).await {
        until_closed(stream).await;
    }
}

/// Finishes the TLS handshake, and resets the connection.
pub(super) async fn handshake_only(client: Client, from: IpAddr) {
    if let Ok(stream) = tls_from(&client, from).await {
        let _ = stream.get_ref().0.set_zero_linger();
    }
}

/// Redeems with these bytes, and returns the status.
pub(super) async fn ask(client: &Client, from: IpAddr, request: &[u8]) -> Option<u16> {
    let attempt = async {
        let mut stream = tls_from(client, from).await.ok()?;
        stream.write_all(request).await.ok()?;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        std::str::from_utf8(&answer).ok()?.split(' ').nth(1)?.parse().ok()
    };
    timeout(Duration::from_secs(20), attempt).await.ok()?
}

/// The beginning of a ClientHello of 512 bytes, whose rest never comes.
const CLIENT_HELLO: &[u8] = &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
/// The pause between two bytes of a slow client.
const PAUSE: Duration = Duration::from_millis(400);

/// Sends the first bytes at once and the rest one by one, with pauses; then nothing, until the server closes.
async fn drip(stream: impl AsyncRead + AsyncWrite + Unpin, at_once: &[u8], slowly: &[u8]) {
    let (read, mut write) = tokio::io::split(stream);
    let dripping = async {
        write.write_all(at_once).await?;
        for byte in slowly {
            tokio::time::sleep(PAUSE).await;
            write.write_all(std::slice::from_ref(byte)).await?;
            write.flush().await?;
        }
        std::future::pending::<io::Result<()>>().await
    };
    tokio::select! {
        _ = dripping => {}
        () = until_closed(read) => {}
    }
}

/// Sends these bytes one by one without TLS: of a PROXY header, or of a ClientHello if there are none.
pub(super) async fn slow_start(from: IpAddr, to: SocketAddr, bytes: &'static [u8]) {
    let bytes = if bytes.is_empty() { CLIENT_HELLO } else { bytes };
    if let Ok(stream) = connect_from(from, to).await {
        drip(stream, &[], bytes).await;
    }
}

/// Finishes the handshake, sends the first bytes of a request at once and the rest one by one.
pub(super) async fn slow_request(client: Client, from: IpAddr, at_once: Vec<u8>, slowly: Vec<u8>) {
    if let Ok(stream) = tls_from(&client, from).await {
        drip(stream, &at_once, &slowly).await;
    }
}
