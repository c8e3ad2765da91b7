//! The load, and the evaluation of its measurements.

use std::{
    fmt,
    future::poll_fn,
    net::SocketAddr,
    path::Path,
    task::Poll,
    time::{Duration, Instant},
};

use grantd::{
    grant::{Code, CodeOrigin, GrantId, GrantMetadata, GrantTerms},
    link::AccessToken,
    store::{self, Location, NewGrant, Quota, StoreOptions},
    time::Clock,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::wire::{Client, request};

/// The work of one connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// TLS, completed and closed by both sides, then nothing.
    Handshake,
    /// A whole redemption.
    Redemption,
}

/// Repeats the work on this many connections at the same time, at the addresses in turn, for this long; returns the time of each and of all.
pub(crate) async fn drive(
    addresses: &[SocketAddr],
    token: &AccessToken,
    work: Work,
    in_flight: usize,
    length: Duration,
) -> (Vec<Duration>, Duration) {
    let started = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for address in addresses.iter().cycle().take(in_flight) {
        let (client, request) = (Client::new(*address, token), request(token, "east", ""));
        workers.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < length {
                let before = Instant::now();
                match work {
                    Work::Handshake => shake_hands(&client).await.unwrap(),
                    Work::Redemption => redeem(&client, &request).await.unwrap(),
                }
                latencies.push(before.elapsed());
            }
            latencies
        });
    }
    let latencies = workers.join_all().await.into_iter().flatten().collect();
    (latencies, started.elapsed())
}

/// A TLS handshake only, completed and closed by both sides.
async fn shake_hands(client: &Client) -> std::io::Result<()> {
    let mut stream = client.connect().await?;
    stream.shutdown().await?;
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

/// A redemption. Its answer is only checked for being complete, as this process shares the cores with the server.
async fn redeem(client: &Client, request: &[u8]) -> std::io::Result<()> {
    let mut stream = client.connect().await?;
    stream.write_all(request).await?;
    let mut answer = Vec::with_capacity(8 * 1024);
    stream.read_to_end(&mut answer).await?;
    let whole = answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(b"tlsCredentials: \"east\"\n");
    assert!(whole, "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// The measurements of all rounds of one kind of work.
#[derive(Default)]
pub(crate) struct Figures {
    latencies: Vec<Duration>,
    elapsed: Duration,
    cpu_seconds: f64,
}

impl Figures {
    pub(crate) fn add(&mut self, latencies: Vec<Duration>, elapsed: Duration, cpu_seconds: f64) {
        self.latencies.extend(latencies);
        self.latencies.sort_unstable();
        self.elapsed += elapsed;
        self.cpu_seconds += cpu_seconds;
    }

    pub(crate) fn count(&self) -> u64 {
        self.latencies.len() as u64
    }

    pub(crate) fn rate(&self) -> f64 {
        self.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// Seconds of the server's CPU for each.
    pub(crate) fn cpu_each(&self) -> f64 {
        self.cpu_seconds / self.count() as f64
    }

    fn percentile_milliseconds(&self, percent: usize) -> f64 {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len() - 1);
        self.latencies[index].as_secs_f64() * 1e3
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (self.percentile_milliseconds(50), self.percentile_milliseconds(99));
        write!(f, "{:>9.0} {p50:>10.1} {p99:>8.1} {:>15.0}", self.rate(), self.cpu_each() * 1e6)
    }
}

/// Stores this many open grants in a data directory that no server holds.
pub(crate) fn fill(data_dir: &Path, count: u64) {
    const AT_ONCE: u64 = 256;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = StoreOptions {
            quota: Quota::DEFAULT,
            location: Location::Sqlite { database: data_dir.join("grantd.db"), lock: data_dir.join("grantd.lock") },
            key: data_dir.join("sealing.key"),
            on_commit: Box::new(|_| {}),
        };
        let store = store::open(options).await.unwrap();
        for first in (0..count).step_by(usize::try_from(AT_ONCE).unwrap()) {
            // Started together, so that they share a commit.
            let mut pending: Vec<_> = (first..(first + AT_ONCE).min(count)).map(|n| store.create(grant(n))).collect();
            poll_fn(|context| {
                pending.retain_mut(|creation| match creation.as_mut().poll(context) {
                    Poll::Ready(stored) => stored.map(|_| false).unwrap(),
                    Poll::Pending => true,
                });
                if pending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        store.close().await.unwrap();
    });
}

fn grant(number: u64) -> NewGrant {
    let now = Clock::system().now();
    let code = format!("code{number:020}").parse::<Code>().unwrap();
    NewGrant {
        id: GrantId::random(),
        namespace: "default".parse().unwrap(),
        name: format!("grant-{number}").parse().unwrap(),
        code,
        code_origin: CodeOrigin::Generated,
        allowed: 1,
        terms: GrantTerms::default(),
        expires_at: now.saturating_add(Duration::from_secs(24 * 3600)),
        created_at: now,
        metadata: GrantMetadata::default(),
    }
}
