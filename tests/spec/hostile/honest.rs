//! Honest clients: they redeem as Skupper's do, from some distance, and give up when those do.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use grantd::link::AccessToken;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};

use super::distance;
use crate::wire::{Answer, Client, request};

/// From the beginning of the connection: Skupper's clients wait no longer (docs/protocol.md section 1.1).
const GIVE_UP: Duration = Duration::from_secs(10);

/// An honest client, by its address and its distance from the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Distance {
    pub(super) from: IpAddr,
    pub(super) round_trip: Duration,
}

/// Clients at these round trips, in milliseconds.
pub(super) fn at(from: IpAddr, round_trips: &[u64]) -> Vec<Distance> {
    round_trips.iter().map(|&trip| Distance { from, round_trip: Duration::from_millis(trip) }).collect()
}

/// What became of the attempts of clients at one distance.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    pub(super) made: usize,
    pub(super) served: usize,
    slowest: Duration,
    /// What those got that were not served.
    failed: BTreeMap<String, usize>,
}

/// What became of all attempts, by round trip.
pub(super) struct Experience(BTreeMap<Duration, Attempts>);

impl Experience {
    /// Whether every client was served.
    pub(super) fn is_perfect(&self) -> bool {
        self.0.values().all(|attempts| attempts.served == attempts.made)
    }

    pub(super) fn served(&self) -> usize {
        self.0.values().map(|attempts| attempts.served).sum()
    }
}

impl fmt::Display for Experience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (round_trip, attempts)) in self.0.iter().enumerate() {
            let Attempts { made, served, slowest, failed } = attempts;
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{} ms: {served} of {made}", round_trip.as_millis())?;
            if *served > 0 {
                write!(f, " (slowest {:.1} s)", slowest.as_secs_f64())?;
            }
            for (what, count) in failed {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

impl Client {
    /// One redemption from there.
    async fn redeem_from(&self, token: &AccessToken, distance: Distance) -> Result<Answer, &'static str> {
        let attempt = async {
            let stream = distance::connect(distance.from, self.address(), distance.round_trip).await;
            let mut stream = self.handshake(stream).await.map_err(|_| "cut off in the handshake")?;
            stream.write_all(&request(token, "east", "")).await.map_err(|_| "cut off before the request")?;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            Answer::parse(&answer).ok_or("cut off before the answer")
        };
        timeout(GIVE_UP, attempt).await.map_err(|_| "gave up after 10 s")?
    }
}

/// Lets clients at each of these distances come one after the other at an even pace, all of them within `length`; returns when
/// the last has been served or has given up.
pub(super) async fn clients_come(
    client: &Client,
    token: &AccessToken,
    distances: &[Distance],
    each: usize,
    length: Duration,
) -> Experience {
    let mut all = JoinSet::new();
    let mut ticks = tokio::time::interval(length / u32::try_from(each).unwrap());
    for _ in 0..each {
        ticks.tick().await;
        for &distance in distances {
            let (client, token) = (client.clone(), token.clone());
            all.spawn(async move {
                let begun = Instant::now();
                (distance.round_trip, client.redeem_from(&token, distance).await, begun.elapsed())
            });
        }
    }
    let mut experience: BTreeMap<Duration, Attempts> = BTreeMap::new();
    for (round_trip, outcome, took) in all.join_all().await {
        let attempts = experience.entry(round_trip).or_default();
        attempts.made += 1;
        match outcome.map(|answer| answer.status) {
            Ok(200) => {
                attempts.served += 1;
                attempts.slowest = attempts.slowest.max(took);
            }
            Ok(status) => *attempts.failed.entry(format!("answered with {status}")).or_default() += 1,
            Err(what) => *attempts.failed.entry(what.to_owned()).or_default() += 1,
        }
    }
    Experience(experience)
}

/// The status of a page without TLS. `None`: no answer.
pub(super) async fn get(address: SocketAddr, from: IpAddr, path: &str) -> Option<u16> {
    let mut stream = distance::connect_from(from, address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    std::str::from_utf8(&answer).ok()?.split(' ').nth(1)?.parse().ok()
}
