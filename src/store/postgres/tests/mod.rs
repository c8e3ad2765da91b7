//! What is promised of PostgreSQL beyond the contract.

mod doubt;
mod opening;
mod proxy;
mod replicas;
mod tls;

use std::time::Duration;

use crate::store::contract::postgres::Database;

/// Waits until this holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain until {what}");
}

/// How many connections that write wait for a lock.
fn waiting(database: &Database<'_>) -> String {
    database.sql(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name LIKE 'grantd writer%' AND wait_event_type = 'Lock'",
    )
}
