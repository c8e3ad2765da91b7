//! Whether a redemption would succeed now.

use super::{chain::chain, service::App};
use crate::metrics::StoreOperation;

/// One condition of readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name of the condition.
    pub name: &'static str,
    /// What is wrong, as a text for operators without a secret; `None` when nothing is.
    pub fault: Option<String>,
}

/// All conditions, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// The conditions, whether they hold or not.
    pub checks: Vec<Check>,
}

impl Readiness {
    /// Whether every condition holds.
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.fault.is_none())
    }
}

impl App {
    /// Looks at everything a redemption needs: a store that takes writes, issuers and a serving certificate within their
    /// dates, and a certificate that covers the URL tokens carry.
    pub async fn readiness(&self) -> Readiness {
        let store = self.store.check().await.err().map(|error| {
            self.metrics().store_failed(StoreOperation::Check);
            chain(&error)
        });
        Readiness {
            checks: vec![
                Check { name: "server", fault: self.latch.fault() },
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
