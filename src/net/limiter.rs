//! The limits on connections and handshakes, and which connection is closed in favour of a new one.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::Peer;
use crate::metrics::Rejection;

/// How far a connection has come. Each stage has a limit of its own; a later one includes the limits before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// It counts among the connections, and nothing was read from it.
    Accepted,
    /// It counts among the handshakes too, which cost a client little and the server much.
    Handshaking,
    /// It was in its handshake, and another connection has taken its permit for that.
    Displaced,
    /// It is past the handshake, or has none: only connections are counted.
    Serving,
}

/// Gives permits to the connections of one listener. Asked by its accept loop only; permits come back from anywhere.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    capacity: Arc<Capacity>,
    max_connections: u32,
    /// In the order in which their handshakes began. A connection that has left that stage is removed when it comes to the
    /// front.
    handshaking: VecDeque<Weak<Admitted>>,
}

#[derive(Debug)]
struct Capacity {
    connections: Semaphore,
    handshakes: Semaphore,
}

#[derive(Debug)]
struct Admitted {
    capacity: Arc<Capacity>,
    peer: Peer,
    stage: AtomicU8,
    displaced: Notify,
}

/// One connection's permit, from its acceptance until this is dropped: at the end of the connection, or of the work that
/// it has caused, if that is later.
#[derive(Debug)]
pub struct Permit(Arc<Admitted>);

impl ConnectionLimiter {
    pub(super) fn new(max_connections: u32, max_handshakes: u32) -> Self {
        let semaphore = |permits: u32| Semaphore::new(usize::try_from(permits).unwrap_or(Semaphore::MAX_PERMITS));
        let capacity = Capacity { connections: semaphore(max_connections), handshakes: semaphore(max_handshakes) };
        Self { capacity: Arc::new(capacity), max_connections, handshaking: VecDeque::new() }
    }

    /// Admits a connection, at [`Stage::Accepted`].
    ///
    /// # Errors
    /// [`Rejection::Connections`]: the limit is reached.
    pub(super) fn admit(&self, peer: Peer) -> Result<Permit, Rejection> {
        self.capacity.connections.try_acquire().map_err(|_| Rejection::Connections)?.forget();
        let capacity = Arc::clone(&self.capacity);
        let stage = AtomicU8::new(Stage::Accepted as u8);
        Ok(Permit(Arc::new(Admitted { capacity, peer, stage, displaced: Notify::new() })))
    }

    /// Lets an admitted connection begin its handshake. At the limit, the oldest handshake loses its permit: an honest
    /// client finishes soon, and one that only holds its permit becomes the oldest. If the newest were refused instead, a
    /// few hundred silent connections would lock out all clients.
    ///
    /// # Errors
    /// [`Rejection::Handshakes`]: no handshake is allowed at all.
    pub(super) fn begin_handshake(&mut self, permit: &Permit) -> Result<(), Rejection> {
        let is_over = |oldest: &Weak<Admitted>| oldest.upgrade().is_none_or(|oldest| !oldest.is_in(Stage::Handshaking));
        while self.handshaking.front().is_some_and(is_over) {
            self.handshaking.pop_front();
        }
        if self.capacity.handshakes.try_acquire().map(SemaphorePermit::forget).is_err() {
            self.displace_oldest()?;
        }
        permit.0.enter(Stage::Handshaking);
        self.handshaking.push_back(Arc::downgrade(&permit.0));
        Ok(())
    }

    fn displace_oldest(&mut self) -> Result<(), Rejection> {
        let mut oldest_first = std::iter::from_fn(|| self.handshaking.pop_front());
        let displaced = oldest_first.any(|oldest| oldest.upgrade().is_some_and(|oldest| oldest.displace()));
        if displaced { Ok(()) } else { Err(Rejection::Handshakes) }
    }

    /// Ends when every permit has come back.
    pub(super) async fn emptied(&self) {
        // The semaphore is never closed, so this ends with every permit in hand.
        let _ = self.capacity.connections.acquire_many(self.max_connections).await;
    }

    /// How many permits have not come back.
    pub(super) fn in_use(&self) -> u32 {
        let free = u32::try_from(self.capacity.connections.available_permits()).unwrap_or(self.max_connections);
        self.max_connections.saturating_sub(free)
    }
}

impl Permit {
    /// Where the connection comes from.
    pub fn peer(&self) -> Peer {
        self.0.peer
    }

    /// The handshake of the connection is over, which frees its permit for another handshake.
    pub(super) fn serve(&self) {
        if self.0.enter(Stage::Serving) == Stage::Handshaking as u8 {
            self.0.capacity.handshakes.add_permits(1);
        }
    }

    /// Ends when another connection has taken the permit for the handshake.
    pub(super) async fn displaced(&self) {
        self.0.displaced.notified().await;
    }
}

impl Admitted {
    fn is_in(&self, stage: Stage) -> bool {
        self.stage.load(Ordering::Acquire) == stage as u8
    }

    /// Moves the connection to this stage, and returns the one before.
    fn enter(&self, stage: Stage) -> u8 {
        self.stage.swap(stage as u8, Ordering::AcqRel)
    }

    /// Takes the permit for the handshake away, which then counts for the caller. `false` if this handshake is over.
    fn displace(&self) -> bool {
        let (from, to) = (Stage::Handshaking as u8, Stage::Displaced as u8);
        let displaced = self.stage.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if displaced {
            self.displaced.notify_one();
        }
        displaced
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if self.is_in(Stage::Handshaking) {
            self.capacity.handshakes.add_permits(1);
        }
        self.capacity.connections.add_permits(1);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use super::*;

    fn handshaking(limiter: &mut ConnectionLimiter) -> Result<Permit, Rejection> {
        let permit = limiter.admit(Peer::Local)?;
        limiter.begin_handshake(&permit)?;
        Ok(permit)
    }

    /// Whether the connection has been displaced by now.
    async fn is_displaced(permit: &Permit) -> bool {
        let mut displaced = Box::pin(permit.displaced());
        poll_fn(|context| Poll::Ready(displaced.as_mut().poll(context).is_ready())).await
    }

    #[test]
    fn beyond_the_limit_of_connections_none_is_admitted_until_one_ends() {
        let limiter = ConnectionLimiter::new(2, 2);
        let first = limiter.admit(Peer::Local).unwrap();
        let _second = limiter.admit(Peer::Local).unwrap();
        assert_eq!(limiter.admit(Peer::Local).unwrap_err(), Rejection::Connections);
        assert_eq!(limiter.in_use(), 2);

        drop(first);

        assert_eq!(limiter.in_use(), 1);
        assert!(limiter.admit(Peer::Local).is_ok());
    }

    #[tokio::test]
    async fn beyond_the_limit_of_handshakes_the_oldest_is_displaced() {
        let mut limiter = ConnectionLimiter::new(10, 2);
        let oldest = handshaking(&mut limiter).unwrap();
        let younger = handshaking(&mut limiter).unwrap();
        assert!(!is_displaced(&oldest).await);

        let newest = handshaking(&mut limiter).unwrap();

        assert!(is_displaced(&oldest).await);
        assert!(!is_displaced(&younger).await && !is_displaced(&newest).await);
        // A displaced connection has lost its permit for the handshake, and must not give it back.
        drop(oldest);
        let _next = handshaking(&mut limiter).unwrap();
        assert!(is_displaced(&younger).await);
    }

    #[tokio::test]
    async fn a_connection_that_is_served_is_displaced_by_none_and_makes_room() {
        let mut limiter = ConnectionLimiter::new(10, 1);
        let served = handshaking(&mut limiter).unwrap();
        served.serve();

        let next = handshaking(&mut limiter).unwrap();
        assert!(!is_displaced(&served).await);
        drop(served);
        let _after = handshaking(&mut limiter).unwrap();

        assert!(is_displaced(&next).await, "the end of a served connection must not free a handshake's permit");
    }

    #[test]
    fn a_failed_handshake_frees_both_permits() {
        let mut limiter = ConnectionLimiter::new(1, 1);
        for _ in 0..3 {
            drop(handshaking(&mut limiter).unwrap());
        }
        assert_eq!(limiter.in_use(), 0);
    }

    #[test]
    fn without_any_handshake_allowed_none_begins() {
        let mut limiter = ConnectionLimiter::new(1, 0);
        assert_eq!(handshaking(&mut limiter).unwrap_err(), Rejection::Handshakes);
        assert_eq!(limiter.in_use(), 0);
    }

    #[tokio::test]
    async fn it_is_emptied_when_the_last_permit_comes_back() {
        let limiter = ConnectionLimiter::new(2, 0);
        let permits = [limiter.admit(Peer::Local).unwrap(), limiter.admit(Peer::Local).unwrap()];
        let mut emptied = Box::pin(limiter.emptied());
        let is_pending = poll_fn(|context| Poll::Ready(emptied.as_mut().poll(context).is_pending())).await;
        assert!(is_pending);

        drop(permits);

        emptied.await;
    }
}
