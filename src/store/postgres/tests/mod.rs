//! What is promised of PostgreSQL beyond the contract.

mod doubt;
mod opening;
mod proxy;
mod replicas;
mod tls;

use std::time::Duration;

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
