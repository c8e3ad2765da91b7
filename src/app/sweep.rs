//! The periodic sweep: counts grants, and removes those that finished long ago.

use std::{sync::Arc, time::Duration};

use tracing::{info, warn};

use super::{background::BackgroundTask, chain::chain, service::App};
use crate::{
    metrics::{GrantStateLabel, StoreOperation},
    store::StoreError,
};

/// How often grants are counted and old ones removed.
const INTERVAL: Duration = Duration::from_secs(15);
/// For how long the clock must have been steady before grants are removed by it.
const STEADY: Duration = Duration::from_secs(3600);
/// Small enough that a redemption never waits long behind it.
const SWEEP_BATCH: u32 = 500;

impl App {
    /// Counts grants for the metrics and removes those finished for longer than the retention, until cancelled.
    pub async fn sweep_forever(self: Arc<Self>) {
        self.supervised(BackgroundTask::Sweep, self.sweep_at_intervals()).await;
    }

    async fn sweep_at_intervals(self: &Arc<Self>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let app = Arc::clone(self);
            // Writes a file. A panic is in the log, and the next round tries again.
            let _ = tokio::task::spawn_blocking(move || app.clock_mark.keep(app.clock())).await;
            if let Err(error) = self.sweep_once().await {
                self.metrics().store_failed(StoreOperation::Write);
                warn!(error = %chain(&error), "grants could not be swept");
            }
        }
    }

    /// One round of it.
    ///
    /// # Errors
    /// The [`StoreError`] of the store; the next round goes on from there.
    async fn sweep_once(&self) -> Result<(), StoreError> {
        let now = self.clock().now();
        let cutoff = now.saturating_sub(self.retention);
        let mut removed = 0;
        // After a jump of the clock, or a start with a wrong one, grants are kept until there was time to correct it.
        while self.clock_mark.is_steady(self.clock(), self.retention.min(STEADY)) {
            let batch = self.store.sweep(cutoff, SWEEP_BATCH).await?;
            removed += batch;
            if batch < SWEEP_BATCH {
                break;
            }
        }
        if removed > 0 {
            info!(grants.removed = removed, "finished grants removed after their retention; the ledger stays");
        }
        let counts = self.store.count(now).await?;
        self.metrics().grants(GrantStateLabel::Open, counts.open);
        self.metrics().grants(GrantStateLabel::Expired, counts.expired);
        self.metrics().grants(GrantStateLabel::Exhausted, counts.exhausted);
        Ok(())
    }
}
