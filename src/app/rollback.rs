//! A database that was put back to an older state: redemptions stop until an operator has acknowledged it.

use tracing::warn;

use super::service::App;
use crate::{
    metrics::StoreOperation,
    store::{Rollback, StoreError},
};

impl App {
    /// That the database was put back, and nobody has acknowledged it.
    pub fn rollback(&self) -> Option<Rollback> {
        self.store.rollback()
    }

    /// Everything about this server in Prometheus' text format.
    pub fn metrics_text(&self) -> String {
        self.metrics().store_is_rolled_back(self.rollback().is_some());
        self.metrics().render()
    }

    /// Ends the time of every grant that could be redeemed, and lets redemptions go on; answers how many grants it were, and
    /// `None` when the database was not put back.
    ///
    /// # Errors
    /// The [`StoreError`] of the store; nothing was changed then.
    pub async fn acknowledge_rollback(&self) -> Result<Option<u64>, StoreError> {
        let Some(rollback) = self.rollback() else { return Ok(None) };
        // Not the time that never goes back: an earlier time ends more of them.
        let now = self.clock().now();
        let expired = self.store.acknowledge_rollback(now).await;
        let expired = expired.map_err(|error| self.counted(error, StoreOperation::Write))?;
        if let Some(expired) = expired {
            let (seen, found) = (rollback.seen.0, rollback.found.0);
            warn!(
                grants.expired = expired,
                revision.seen = seen,
                revision.found = found,
                "an operator has acknowledged that the database was put back; the grants that were open are expired"
            );
        }
        Ok(expired)
    }
}
