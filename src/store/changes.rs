//! Recent changes, in the order of revisions: the ring buffer that watches are served from.
//!
//! An entry says which object changed, not what is in it now: a watcher reads that from the store. So a redemption, which
//! is such a change, pays for one small entry, whether there are watchers or not. A removed object cannot be read any more;
//! so its entry holds its last state.

mod entry;
mod ring;
mod weight;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub use self::entry::{Change, ChangeEffect, ChangeSubject, ChangesError, LastState};
pub(super) use self::entry::{Committed, PendingChange};
use self::ring::Ring;
use crate::grant::Revision;

/// The recent changes. They are published in the order of their revisions, each after it is durable, and before the caller
/// that asked for it gets its answer.
///
/// It knows nothing from before the store was opened, and forgets the oldest entries when there are many of them or when
/// what was removed takes much memory.
#[derive(Debug)]
pub struct Changes {
    ring: Mutex<Ring>,
    /// [`Ring::newest_entry`], for watchers that wait.
    news: watch::Sender<Revision>,
}

impl Changes {
    /// A ring that begins at this revision.
    pub(super) fn new(head: Revision) -> Self {
        Self { ring: Mutex::new(Ring::new(head)), news: watch::Sender::new(head) }
    }

    /// Every change after `revision` that is still known, in order; none when it is the newest.
    ///
    /// A revision that was read from the store is never [`Future`](ChangesError::Future), also when its changes are only
    /// about to reach the ring.
    ///
    /// # Errors
    /// [`ChangesError`] when that would leave a gap.
    pub fn since(&self, revision: Revision) -> Result<Vec<Arc<Change>>, ChangesError> {
        self.ring().since(revision)
    }

    /// The newest revision. Some revisions have no entry, so it can be greater than that of the last one.
    ///
    /// A watcher that reports its position asks for this first and for the changes then: nothing up to it is missing.
    pub fn head(&self) -> Revision {
        self.ring().head()
    }

    /// Waits until [`since`](Self::since) this revision has something to say, a change or that some are forgotten; does
    /// not wait at all when it has already.
    pub async fn wait_past(&self, revision: Revision) {
        // Fails only when the sender is gone, which is borrowed here.
        let _ = self.news.subscribe().wait_for(|news| *news > revision).await;
    }

    /// To be called before a transaction is committed: as soon as it is, readers can see its revisions, at most this many.
    /// When the commit fails, they stay announced, as it may have been done all the same.
    pub(super) fn announce(&self, changes: u32) {
        self.ring().announce(changes);
    }

    /// To be called when a transaction was committed without any change, or is surely rolled back.
    pub(super) fn withdraw(&self, changes: u32) {
        self.ring().withdraw(changes);
    }

    /// To be called after the commit.
    pub(super) fn publish(&self, committed: Committed) {
        let mut ring = self.ring();
        ring.publish(committed);
        let news = ring.newest_entry();
        drop(ring);
        // Costs a few uncontended locks when there are no watchers.
        self.news.send_replace(news);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing that is called with the lock held panics.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
