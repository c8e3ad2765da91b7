//! Permits for the connections of one listener, and which connection is closed in favour of a new one.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::{sync::Notify, time::Instant};

use super::{
    Peer, Source,
    places::{Loser, NoPlace, PlaceLimits, Places},
};
use crate::metrics::Rejection;

/// Gives permits to the connections of one listener.
#[derive(Debug)]
pub(super) struct ConnectionLimiter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    places: Places<Arc<Displaced>>,
    /// How many permits have not come back, those without a place included: their connections are about to close.
    permits: u32,
}

/// Tells a connection that it has lost its place, and what kind of place ran out.
#[derive(Debug, Default)]
struct Displaced {
    by: OnceLock<Rejection>,
    changed: Notify,
}

/// One connection's permit, from its acceptance until this is dropped: at the end of the connection, or of the work that
/// it has caused, if that is later.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    id: u64,
    accepted: Instant,
    /// A new one when the header of a proxy names it.
    peer: Mutex<Peer>,
    displaced: Arc<Displaced>,
}

/// Shows a connection that it has lost its place to another.
#[derive(Debug)]
pub(super) struct Displacement(Arc<Displaced>);

/// The connection has lost its place to another, and is about to be closed: nothing must be begun for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closed in favour of another one")]
pub struct DisplacedError;

/// A complete request of a connection. While it lives, the connection keeps its place.
#[derive(Debug)]
pub struct ActiveRequest {
    shared: Arc<Shared>,
    id: u64,
}

impl ConnectionLimiter {
    pub(super) fn new(limits: PlaceLimits) -> Self {
        let state = State { places: Places::new(limits), permits: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), emptied: Notify::new() }))
    }

    /// Gives a connection that was accepted `now`, and counts for `source`, a permit.
    ///
    /// # Errors
    /// [`Rejection::Connections`] or [`Rejection::Peer`]: there is no place for it.
    pub(super) fn admit(&self, peer: Peer, source: Source, now: Instant) -> Result<Permit, Rejection> {
        let displaced = Arc::new(Displaced::default());
        let mut state = self.0.lock();
        let (id, loser) = state.places.admit(source, now, Arc::clone(&displaced))?;
        state.permits = state.permits.saturating_add(1);
        displace(loser);
        Ok(Permit { shared: Arc::clone(&self.0), id, accepted: now, peer: Mutex::new(peer), displaced })
    }

    /// Ends when every permit has come back.
    pub(super) async fn emptied(&self) {
        loop {
            let changed = self.0.emptied.notified();
            if self.in_use() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// How many permits have not come back.
    pub(super) fn in_use(&self) -> u32 {
        self.0.lock().permits
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a connection that has lost its place.
fn displace(loser: Loser<Arc<Displaced>>) {
    if let Some((displaced, by)) = loser {
        // A connection has one place, and loses it once.
        let _ = displaced.by.set(by);
        displaced.changed.notify_one();
    }
}

impl Permit {
    /// Where the connection comes from.
    pub fn peer(&self) -> Peer {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the connection was accepted. Its deadlines run from here.
    pub fn accepted(&self) -> Instant {
        self.accepted
    }

    /// The connection comes from `peer`, as a proxy says that passes it on: from now on it counts for that source.
    ///
    /// # Errors
    /// [`NoPlace`], with [`Rejection::Peer`]: that source has as many connections as it may.
    pub fn identify(&self, peer: Peer) -> Result<(), NoPlace> {
        self.belongs_to(Source::from(peer))?;
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = peer;
        Ok(())
    }

    /// From now on the connection counts for `source`.
    ///
    /// # Errors
    /// As [`identify`](Self::identify).
    pub(super) fn belongs_to(&self, source: Source) -> Result<(), NoPlace> {
        self.taking(|places, id, now| places.identify(id, source, now))
    }

    /// From now on the connection counts among the handshakes too.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) fn begin_handshake(&self) -> Result<(), NoPlace> {
        self.taking(Places::begin_handshake)
    }

    /// From now on the connection counts among the unauthenticated too.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) fn unauthenticated(&self) -> Result<(), NoPlace> {
        self.taking(Places::unauthenticated)
    }

    fn taking(
        &self,
        take: impl FnOnce(&mut Places<Arc<Displaced>>, u64, Instant) -> Result<Loser<Arc<Displaced>>, NoPlace>,
    ) -> Result<(), NoPlace> {
        let mut state = self.shared.lock();
        let loser = take(&mut state.places, self.id, Instant::now())?;
        displace(loser);
        Ok(())
    }

    /// The connection is ready for its first request.
    pub(super) fn open(&self) {
        self.shared.lock().places.open(self.id);
    }

    /// A request of the connection is complete and is worked on: the connection keeps its place until what this returns is
    /// dropped. To be called before anything is done for the request that must not be lost.
    ///
    /// # Errors
    /// [`DisplacedError`]: the connection is being closed, and its request must not be answered.
    pub fn begin_request(&self) -> Result<ActiveRequest, DisplacedError> {
        self.shared.lock().places.begin_request(self.id).map_err(|_| DisplacedError)?;
        Ok(ActiveRequest { shared: Arc::clone(&self.shared), id: self.id })
    }

    /// What shows that the connection has lost its place.
    pub(super) fn displacement(&self) -> Displacement {
        Displacement(Arc::clone(&self.displaced))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.places.leave(self.id);
        state.permits = state.permits.saturating_sub(1);
        if state.permits == 0 {
            self.shared.emptied.notify_waiters();
        }
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.shared.lock().places.end_request(self.id);
    }
}

impl Displacement {
    /// Ends when the connection has lost its place, with the kind of place that ran out. May be cancelled.
    pub(super) async fn happened(&self) -> Rejection {
        self.0.changed.notified().await;
        // Set before the notification.
        self.0.by.get().copied().unwrap_or(Rejection::Connections)
    }
}
