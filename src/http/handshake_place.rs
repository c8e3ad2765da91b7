//! A place among the handshakes, which a newer one can take.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit};

/// The place of one handshake: left when this is dropped, or taken away before.
#[derive(Debug)]
pub(super) struct HandshakePlace {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    taken_away: Notify,
}

impl HandshakePlace {
    pub(super) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { permit: Mutex::new(Some(permit)), taken_away: Notify::new() }
    }

    /// Takes the permit for another handshake, and tells this one. `None` when that was done before.
    pub(super) fn take_away(&self) -> Option<OwnedSemaphorePermit> {
        let permit = self.permit.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.taken_away.notify_one();
        permit
    }

    /// Ends when the place was taken away.
    pub(super) async fn lost(&self) {
        self.taken_away.notified().await;
    }
}
