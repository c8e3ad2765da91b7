//! Whether a redemption would succeed now.

use tokio::sync::watch;

use super::{App, chain};
use crate::metrics::StoreOperation;

/// One condition of readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// What is wrong, in words for an operator; no secret.
    pub fault: Option<String>,
}

/// All conditions, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Each condition.
    pub checks: Vec<Check>,
}

impl Readiness {
    /// Whether every condition holds.
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.fault.is_none())
    }
}

/// Where the service stands: only ever forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Starting,
    Serving,
    Draining,
}

/// The stage, and who waits for the next.
#[derive(Debug)]
pub(super) struct Latch(watch::Sender<Stage>);

impl Latch {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Stage::Starting))
    }

    fn advance(&self, to: Stage) {
        self.0.send_if_modified(|stage| {
            let forward = to > *stage;
            *stage = to.max(*stage);
            forward
        });
    }

    fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    fn fault(&self) -> Option<String> {
        match self.stage() {
            Stage::Starting => Some("starting".to_owned()),
            Stage::Serving => None,
            Stage::Draining => Some("stopping".to_owned()),
        }
    }
}

impl App {
    /// The doors are open.
    pub fn started(&self) {
        self.readiness.advance(Stage::Serving);
    }

    /// The doors are closing; there is no way back.
    pub fn draining(&self) {
        self.readiness.advance(Stage::Draining);
    }

    /// Whether [`draining`](Self::draining) was called.
    pub fn is_draining(&self) -> bool {
        self.readiness.stage() == Stage::Draining
    }

    /// Completes once [`draining`](Self::draining) was called, at once when that is over already.
    pub async fn stopping(&self) {
        // The sender is part of `self`, so waiting for it cannot fail.
        let _ = self.readiness.0.subscribe().wait_for(|stage| *stage == Stage::Draining).await;
    }

    /// Looks at everything a redemption needs: a store that takes writes, issuers and a serving certificate within their
    /// dates, and a certificate that covers the URL tokens carry.
    pub async fn readiness(&self) -> Readiness {
        let store = self.store.check().await.err().map(|error| {
            self.metrics().store_failed(StoreOperation::Check);
            chain(&error)
        });
        Readiness {
            checks: vec![
                Check { name: "server", fault: self.readiness.fault() },
                Check { name: "store", fault: store },
                Check { name: "issuers", fault: self.issuers_fault() },
                Check { name: "serving-certificate", fault: self.serving_fault() },
                Check { name: "public-url", fault: self.public_url_fault() },
            ],
        }
    }

    fn issuers_fault(&self) -> Option<String> {
        let now = self.clock().now();
        self.sites().issuers().find_map(|(namespace, name, issuer)| {
            let fault = issuer.check(now).err()?;
            Some(format!("issuer {name} of namespace {namespace}: {}", chain(&fault)))
        })
    }

    fn serving_fault(&self) -> Option<String> {
        let now = self.clock().now();
        let serving = self.publication().serving();
        if now < serving.not_before() {
            Some(format!("not valid before {}", serving.not_before()))
        } else if now > serving.not_after() {
            Some(format!("expired at {}", serving.not_after()))
        } else {
            None
        }
    }

    fn public_url_fault(&self) -> Option<String> {
        let host = self.publication().url().host();
        if self.publication().serving().covers(host) {
            None
        } else {
            Some(format!("the serving certificate does not cover {host}, the host of --public-url"))
        }
    }
}
