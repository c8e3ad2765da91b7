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
    /// What is wrong for some redemptions only, and does not make the server unready.
    pub note: Option<String>,
}

impl Check {
    fn new(name: &'static str, fault: Option<String>) -> Self {
        Self { name, fault, note: None }
    }
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

/// The texts as one; `None` when there are none.
fn listed(texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| texts.join("; "))
}

impl App {
    /// Looks at everything a redemption needs: a store that takes writes, a clock that was not set back, issuers and a
    /// serving certificate within their dates, a site that accepts links, and a certificate that covers the URL tokens carry.
    pub async fn readiness(&self) -> Readiness {
        let store = self.store.check().await.err().map(|error| {
            self.metrics().store_failed(StoreOperation::Check);
            chain(&error)
        });
        Readiness {
            checks: vec![
                Check::new("server", self.latch.fault()),
                Check::new("store", store),
                Check::new("clock", self.clock_fault()),
                Check::new("issuers", self.issuers_fault()),
                self.sites_check(),
                Check::new("serving-certificate", self.serving_fault()),
                Check::new("public-url", self.public_url_fault()),
            ],
        }
    }

    fn clock_fault(&self) -> Option<String> {
        if self.time().is_err() {
            self.clock_mark.accept();
        }
        self.time().err().map(|behind| behind.to_string())
    }

    fn issuers_fault(&self) -> Option<String> {
        let now = self.clock().now();
        let faulty = self.sites().issuers().into_iter().filter_map(|(namespace, name, issuer)| {
            let fault = issuer.check(now).err()?;
            Some(format!("issuer {name} of namespace {namespace}: {}", chain(&fault)))
        });
        listed(&faulty.collect::<Vec<_>>())
    }

    /// Names the configured sites to which no link can be issued. As long as there is one to which links can be, the server is
    /// ready: its tokens must be redeemed whatever is wrong with the others.
    fn sites_check(&self) -> Check {
        let sites = self.sites().all_configured();
        let faulty: Vec<String> = sites
            .iter()
            .filter_map(|site| {
                Some(format!("site {} of namespace {}: {}", site.site().name, site.site().namespace, site.fault()?))
            })
            .collect();
        let all = faulty.len() == sites.len();
        let found = listed(&faulty);
        let (fault, note) = if all { (found, None) } else { (None, found) };
        Check { note, ..Check::new("sites", fault) }
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
