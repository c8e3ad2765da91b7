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
/// It begins empty when the store is opened. It drops the oldest entries when there are too many of them, or when the last
/// states of removed objects take too much memory.
#[derive(Debug)]
pub struct Changes {
    ring: Mutex<Ring>,
    /// [`Ring::newest_entry`], for watchers that wait for a greater one.
    newest: watch::Sender<Revision>,
}

impl Changes {
    /// A ring that begins at this revision.
    pub(super) fn new(head: Revision) -> Self {
        Self { ring: Mutex::new(Ring::new(head)), newest: watch::Sender::new(head) }
    }

    /// Every change after `revision` that is still known, in order; none when it is the newest.
    ///
    /// A revision that was read from the store is never [`Future`](ChangesError::Future), even if the entries of
    /// its changes are not in the ring yet.
    ///
    /// # Errors
    /// [`ChangesError`] when that would leave a gap.
    pub fn since(&self, revision: Revision) -> Result<Vec<Arc<Change>>, ChangesError> {
        self.ring().since(revision)
    }

    /// The newest revision. Some revisions have no entry, so it can be greater than that of the last one.
    ///
    /// A watcher that reports its position must read this before it reads the changes: then it has every change up to it.
    pub fn head(&self) -> Revision {
        self.ring().head()
    }

    /// Waits until [`since`](Self::since) this revision answers with a change or an error; returns at once when it does so
    /// already.
    pub async fn wait_past(&self, revision: Revision) {
        // This fails only when the sender was dropped, and `self` owns the sender.
        let _ = self.newest.subscribe().wait_for(|newest| *newest > revision).await;
    }

    /// To be called before a transaction is committed, with the greatest number of its changes: readers can see their
    /// revisions as soon as it is committed. They stay announced when the commit fails, as it may have succeeded and only
    /// its answer was lost.
    pub(super) fn announce(&self, changes: u32) {
        self.ring().announce(changes);
    }

    /// To be called when a transaction was committed without any change, or is known to be rolled back.
    pub(super) fn withdraw(&self, changes: u32) {
        self.ring().withdraw(changes);
    }

    /// To be called after the commit, with its changes.
    pub(super) fn publish(&self, committed: Committed) {
        let mut ring = self.ring();
        ring.publish(committed);
        let newest = ring.newest_entry();
        drop(ring);
        // Costs a few uncontended locks when there are no watchers.
        self.newest.send_replace(newest);
    }

    /// Forgets all entries, and begins at this revision: who asks for changes since an older one must list again.
    pub(super) fn restart(&self, revision: Revision) {
        self.ring().restart(revision);
        self.newest.send_replace(revision);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // No code that runs with the lock held can panic, so a poisoned lock guards sound data.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
