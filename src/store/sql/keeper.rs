//! Keeping the greatest revision outside of the database while the store is open.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tracing::warn;

use super::{backend::Backend, guard::RevisionGuard};

/// How often it is kept while it moves.
const INTERVAL: Duration = Duration::from_secs(5);

/// Keeps the revision at intervals, until the store is dropped.
pub(in crate::store) fn keep_at_intervals<B: Backend>(backend: &Arc<B>, guard: &Arc<RevisionGuard>) {
    let (backend, guard) = (Arc::downgrade(backend), Arc::downgrade(guard));
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let (Some(backend), Some(guard)) = (Weak::upgrade(&backend), Weak::upgrade(&guard)) else { return };
            keep(backend, &guard).await;
        }
    });
}

/// Keeps the revision now. On a thread that may block: a disk that stalls must not hold up redemptions.
pub(in crate::store) async fn keep<B: Backend>(backend: Arc<B>, guard: &RevisionGuard) {
    let Some(revision) = guard.to_be_kept() else { return };
    let kept = tokio::task::spawn_blocking(move || backend.keep_revision(revision)).await;
    if let Ok(Err(error)) = kept {
        let source = &error.source;
        warn!(%error, %source, "the greatest revision could not be kept: a database that is put back may not be noticed");
    }
}
