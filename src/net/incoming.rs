//! Accepting connections, with pauses when the system has no descriptor or memory for one.

use std::{
    future::{Future, poll_fn},
    io,
    task::{Context, Poll},
    time::Duration,
};

use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};
use tracing::warn;

use super::Peer;
use crate::time::Backoff;

const BACKOFF: Backoff = Backoff { first: Duration::from_millis(10), longest: Duration::from_secs(1) };
/// How often a failure to accept is logged at most.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// A socket that connections come from.
pub trait Acceptor: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection and where it comes from.
    ///
    /// # Errors
    /// The system's own, as in accept(2).
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Self::Stream, Peer)>>;

    /// Sets what every connection of this kind needs, before its first byte.
    ///
    /// # Errors
    /// The connection was closed already.
    fn prepare(stream: &Self::Stream) -> io::Result<()>;

    /// Waits until the client has sent something, which is left to be read.
    ///
    /// # Errors
    /// The client has closed the connection without sending anything.
    fn first_bytes(stream: &Self::Stream) -> impl Future<Output = io::Result<()>> + Send;
}

/// The result of an attempt to accept.
#[derive(Debug)]
pub(super) enum Accepted<S> {
    /// A connection.
    Connection(S, Peer),
    /// No descriptor or no memory is left for one; the next attempt waits.
    NoDescriptors,
    /// No connection, for a reason that needs no reaction.
    Nothing,
}

/// The connections of a socket. It never loops without waiting: an error that may come back at once is followed by a pause,
/// which grows to a second.
#[derive(Debug)]
pub(super) struct Incoming<A> {
    socket: A,
    /// Attempts that failed since the last connection.
    failures: u32,
    /// The end of the pause. An instant, so that a wait that was cancelled goes on where it was.
    pause_until: Option<Instant>,
    warned_at: Option<Instant>,
}

impl<A: Acceptor> Incoming<A> {
    pub(super) fn new(socket: A) -> Self {
        Self { socket, failures: 0, pause_until: None, warned_at: None }
    }

    /// The next attempt's result. May be cancelled: neither a connection nor a pause is lost then.
    pub(super) async fn next(&mut self) -> Accepted<A::Stream> {
        if let Some(until) = self.pause_until {
            sleep_until(until).await;
            self.pause_until = None;
        }
        match poll_fn(|context| self.socket.poll_accept(context)).await {
            Ok((stream, peer)) => {
                self.failures = 0;
                Accepted::Connection(stream, peer)
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &io::Error) -> Accepted<A::Stream> {
        let fault = AcceptFault::of(error);
        let accepted = match fault {
            AcceptFault::OfTheConnection => return Accepted::Nothing,
            AcceptFault::Descriptors => Accepted::NoDescriptors,
            AcceptFault::Other => Accepted::Nothing,
        };
        let now = Instant::now();
        self.failures = self.failures.saturating_add(1);
        self.pause_until = Some(now + BACKOFF.after(self.failures));
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
    /// The connection was closed before it was accepted; the next one may succeed.
    OfTheConnection,
    /// The process or the system has no descriptor or memory left.
    Descriptors,
    /// Any other error, which may come back at once.
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::{
        io::{DuplexStream, duplex},
        time::timeout,
    };

    use super::*;
    use crate::net::tests::log::Log;

    #[test]
    fn a_full_table_is_distinguished_from_a_client_that_went_away() {
        let fault = |errno: Errno| AcceptFault::of(&io::Error::from_raw_os_error(errno.raw_os_error()));
        assert_eq!(fault(Errno::MFILE), AcceptFault::Descriptors);
        assert_eq!(fault(Errno::NFILE), AcceptFault::Descriptors);
        assert_eq!(fault(Errno::CONNABORTED), AcceptFault::OfTheConnection);
        assert_eq!(fault(Errno::INVAL), AcceptFault::Other);
    }

    /// Has no descriptor as often as `failures` says, and then a connection.
    struct Exhausted {
        failures: AtomicU32,
    }

    impl Acceptor for Exhausted {
        type Stream = DuplexStream;

        fn poll_accept(&self, _: &mut Context<'_>) -> Poll<io::Result<(DuplexStream, Peer)>> {
            if self.failures.load(Ordering::SeqCst) == 0 {
                return Poll::Ready(Ok((duplex(1).0, Peer::Local)));
            }
            self.failures.fetch_sub(1, Ordering::SeqCst);
            Poll::Ready(Err(io::Error::from_raw_os_error(Errno::MFILE.raw_os_error())))
        }

        fn prepare(_: &DuplexStream) -> io::Result<()> {
            Ok(())
        }

        async fn first_bytes(_: &DuplexStream) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_descriptors_attempts_are_apart_and_a_connection_ends_the_pauses() {
        let mut incoming = Incoming::new(Exhausted { failures: AtomicU32::new(3) });
        let begun = Instant::now();

        for _ in 0..3 {
            assert!(matches!(incoming.next().await, Accepted::NoDescriptors));
        }
        assert!(matches!(incoming.next().await, Accepted::Connection(..)));
        assert_eq!(begun.elapsed().as_millis(), 10 + 20 + 40);

        assert!(matches!(incoming.next().await, Accepted::Connection(..)));
        assert_eq!(begun.elapsed().as_millis(), 10 + 20 + 40);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_logged_every_ten_seconds() {
        let (log, begun) = (Log::of_this_thread(), Instant::now());
        let mut incoming = Incoming::new(Exhausted { failures: AtomicU32::new(100) });
        for (seconds, logged) in [(9, 1), (15, 2), (25, 3)] {
            while begun.elapsed().as_secs() < seconds {
                incoming.next().await;
            }
            assert_eq!(log.count("connections cannot be accepted"), logged, "in {seconds} seconds");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_is_given_up_does_not_begin_its_pause_again() {
        let mut incoming = Incoming::new(Exhausted { failures: AtomicU32::new(1) });
        assert!(matches!(incoming.next().await, Accepted::NoDescriptors));
        let begun = Instant::now();

        for _ in 0..4 {
            assert!(timeout(Duration::from_millis(2), incoming.next()).await.is_err());
        }

        assert!(matches!(incoming.next().await, Accepted::Connection(..)));
        assert_eq!(begun.elapsed().as_millis(), 10);
    }
}
