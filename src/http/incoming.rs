//! Accepting connections, also when the system has none to give.

use std::{io, net::SocketAddr, time::Duration};

use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};
use tracing::warn;

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A full descriptor table is told once in this time, not once for each attempt.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// What an attempt to accept brought.
#[derive(Debug)]
pub(super) enum Accepted {
    /// A connection.
    Connection(TcpStream, SocketAddr),
    /// No descriptor or no memory is left for one; the next attempt waits.
    NoDescriptors,
    /// Nothing to speak of.
    Nothing,
}

/// Connections of a listener. Never spins: an error that will come back is followed by a pause that grows to a second.
#[derive(Debug)]
pub(super) struct Incoming {
    listener: TcpListener,
    backoff: Backoff,
    warned_at: Option<Instant>,
}

impl Incoming {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, backoff: Backoff::default(), warned_at: None }
    }

    /// The next attempt's result. May be cancelled: neither a connection nor a pause is lost then.
    pub(super) async fn next(&mut self) -> Accepted {
        if let Some(until) = self.backoff.until {
            sleep_until(until).await;
            self.backoff.until = None;
        }
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                self.backoff = Backoff::default();
                Accepted::Connection(stream, peer)
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &io::Error) -> Accepted {
        let fault = AcceptFault::of(error);
        let accepted = match fault {
            AcceptFault::OfTheConnection => return Accepted::Nothing,
            AcceptFault::Descriptors => Accepted::NoDescriptors,
            AcceptFault::Other => Accepted::Nothing,
        };
        let now = Instant::now();
        self.backoff.pause(now);
        if self.warned_at.is_none_or(|then| now.duration_since(then) >= WARNING_INTERVAL) {
            self.warned_at = Some(now);
            warn!(%error, "connections cannot be accepted; trying again with pauses");
        }
        accepted
    }
}

/// Whose fault a failed accept is (accept(2), ERRORS).
#[derive(Debug, PartialEq, Eq)]
enum AcceptFault {
    /// It was gone before it was accepted; the next one may be well.
    OfTheConnection,
    /// The process or the system is full.
    Descriptors,
    /// Anything else, which may come back at once.
    Other,
}

impl AcceptFault {
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::CONNABORTED | Errno::CONNRESET | Errno::INTR | Errno::PERM | Errno::PROTO) => {
                Self::OfTheConnection
            }
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Self::Descriptors,
            Some(_) | None => Self::Other,
        }
    }
}

/// Pauses that double. The end of one is kept as an instant, so that a cancelled wait goes on where it was.
#[derive(Debug)]
struct Backoff {
    next: Duration,
    until: Option<Instant>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: SHORTEST_PAUSE, until: None }
    }
}

impl Backoff {
    fn pause(&mut self, now: Instant) {
        self.until = Some(now + self.next);
        self.next = (self.next * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_is_told_from_a_client_that_went_away() {
        let fault = |errno: Errno| AcceptFault::of(&io::Error::from_raw_os_error(errno.raw_os_error()));
        assert_eq!(fault(Errno::MFILE), AcceptFault::Descriptors);
        assert_eq!(fault(Errno::NFILE), AcceptFault::Descriptors);
        assert_eq!(fault(Errno::CONNABORTED), AcceptFault::OfTheConnection);
        assert_eq!(fault(Errno::INVAL), AcceptFault::Other);
    }

    #[test]
    fn pauses_grow_to_a_second_and_no_further() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            backoff.pause(now);
            pauses.push((backoff.until.unwrap() - now).as_millis());
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }
}
