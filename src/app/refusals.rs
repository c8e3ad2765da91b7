//! Refused requests: each is counted, and the log names the first of a second from each client and sums up the others.
//!
//! Refusals are what a stranger can cause at will, so neither the lines nor the memory grow with them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;
use tracing::info;

use crate::{address::network_of, grant::GrantId, metrics::RefusalReason};

/// How long refusals are added up before the log has their sum.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most clients that the log names in each interval.
const MOST_NAMED: usize = 8;

/// A request that was refused.
#[derive(Debug, Clone, Copy)]
pub struct RefusedRequest<'a> {
    /// Why.
    pub reason: RefusalReason,
    /// Where it came from, when known.
    pub peer: Option<IpAddr>,
    /// Which grant it named, if it named one.
    pub grant: Option<GrantId>,
    /// What the client was told, when that says more than the reason. Contains nothing that the client sent.
    pub answer: Option<&'a str>,
}

/// The refusals that the log has not summed up yet.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Interval>);

impl Refusals {
    /// Logs a refused request, or adds it to the next sum. To be called inside a Tokio runtime.
    pub(super) fn log(self: &Arc<Self>, refused: &RefusedRequest<'_>) {
        let (begins, noted) = {
            let mut interval = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (interval.is_empty(), interval.note(refused.peer.map(network_of), refused.reason))
        };
        if begins {
            let refusals = Arc::clone(self);
            tokio::spawn(async move {
                sleep(INTERVAL).await;
                refusals.sum_up();
            });
        }
        match noted {
            Noted::Summed => {}
            Noted::Named => info!(
                peer = refused.peer.map(tracing::field::display),
                grant.id = refused.grant.map(tracing::field::display),
                refusal.reason = refused.reason.name(),
                refusal.answer = refused.answer,
                "request refused"
            ),
        }
    }

    /// Logs what is not logged yet, and begins again.
    pub(super) fn sum_up(&self) {
        let ended = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (client, tally) in ended.clients.into_iter().filter(|(_, tally)| tally.count > 0) {
            let peer = client.map(|network| tracing::field::display(Network(network)));
            info!(peer, refusals = tally.count, refusal.reasons = %tally, "more requests refused");
        }
        if ended.others.count > 0 {
            let Interval { others, .. } = ended;
            info!(refusals = others.count, refusal.reasons = %others, "requests of other clients refused");
        }
    }
}

/// What becomes of a refusal in the log.
#[derive(Debug, PartialEq, Eq)]
enum Noted {
    /// It gets a line of its own.
    Named,
    /// It is in the sum at the end of the interval.
    Summed,
}

/// The refusals of an interval.
#[derive(Debug, Default)]
struct Interval {
    /// The first clients, and what was refused to each after the line of its own.
    clients: HashMap<Option<IpAddr>, Tally>,
    others: Tally,
}

impl Interval {
    fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    fn note(&mut self, client: Option<IpAddr>, reason: RefusalReason) -> Noted {
        if let Some(tally) = self.clients.get_mut(&client) {
            tally.add(reason);
        } else if self.clients.len() < MOST_NAMED {
            self.clients.insert(client, Tally::default());
            return Noted::Named;
        } else {
            self.others.add(reason);
        }
        Noted::Summed
    }
}

/// How many requests were refused, and why. Written as `wrong_code 590, unknown 8`.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    by_reason: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn add(&mut self, reason: RefusalReason) {
        self.count += 1;
        *self.by_reason.entry(reason.name()).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (reason, count)) in self.by_reason.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{reason} {count}")?;
        }
        Ok(())
    }
}

/// The network of a client, as the log shows it.
struct Network(IpAddr);

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(host: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, host]))
    }

    #[test]
    fn the_first_refusal_of_a_client_has_a_line_and_the_others_are_summed_up_by_reason() {
        let mut interval = Interval::default();

        assert_eq!(interval.note(client(1), RefusalReason::WrongCode), Noted::Named);
        assert_eq!(interval.note(client(2), RefusalReason::Unknown), Noted::Named);
        for reason in [RefusalReason::WrongCode, RefusalReason::Expired, RefusalReason::WrongCode] {
            assert_eq!(interval.note(client(1), reason), Noted::Summed);
        }

        let tally = &interval.clients[&client(1)];
        assert_eq!((tally.count, tally.to_string().as_str()), (3, "expired 1, wrong_code 2"));
        assert_eq!(interval.clients[&client(2)].count, 0);
    }

    #[test]
    fn clients_beyond_the_first_are_counted_together() {
        let mut interval = Interval::default();
        let noted: Vec<_> = (0..=u8::MAX).map(|host| interval.note(client(host), RefusalReason::Unknown)).collect();

        assert_eq!(noted.iter().filter(|noted| **noted == Noted::Named).count(), MOST_NAMED);
        assert_eq!(interval.clients.len(), MOST_NAMED);
        assert_eq!(interval.others.to_string(), "unknown 248");
    }

    #[test]
    fn a_network_is_shown_with_its_length() {
        assert_eq!(Network("2001:db8::".parse().unwrap()).to_string(), "2001:db8::/64");
        assert_eq!(Network("192.0.2.1".parse().unwrap()).to_string(), "192.0.2.1");
    }
}
