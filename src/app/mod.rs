//! Level 3: the use cases; no SQL, no HTTP, no certificates' details.
//!
//! On the granting side: what happens to a redemption, to grants, to sites. On the connecting side: controllers, which redeem
//! the tokens that are applied and try the links that there are, through [`ports`] that the rooms above fill.

mod applied_sites;
mod backoff;
mod bundle;
mod chain;
mod conditions;
mod controllers;
mod fingerprint;
mod follow;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod grants;
mod links;
mod objects;
mod places;
mod ports;
mod publication;
mod readiness;
mod reconcile;
mod redeem;
mod sites;
mod status;
mod sweep;
#[cfg(test)]
mod tests;
mod tokens;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use tokio::sync::{Mutex, Semaphore};

pub use self::{
    applied_sites::{SiteRefusal, wants_link_access},
    bundle::LinkBundle,
    chain::chain,
    conditions::{State as ConditionState, condition},
    fingerprint::fingerprint,
    grants::{CreateGrantError, GrantDraft, GrantSpec, GrantStanding, SpecError, UpdateGrantError},
    objects::WriteObjectError,
    ports::{Again, PortFuture, ProbeFailure, Prober, RedeemFailure, Redeemer},
    publication::Publication,
    readiness::{Check, Readiness},
    redeem::RedeemError,
    sites::{ConfiguredSite, DuplicateSite, SiteFault, Sites},
};
use crate::{
    grant::Revision,
    metrics::Metrics,
    pki::Profile,
    store::Store,
    time::{Clock, Timestamp},
};

/// What the use cases need, put together once at start.
#[derive(Debug)]
pub struct AppParts {
    /// The only reader of the time.
    pub clock: Clock,
    /// Where what happens is counted.
    pub metrics: Arc<Metrics>,
    /// Where links lead, and who signs.
    pub sites: Sites,
    /// What tokens carry.
    pub publication: Publication,
    /// What certificates look like.
    pub profile: Profile,
    /// The longest code that the redeem door can take, in bytes.
    pub longest_code: usize,
    /// How long an expired or used-up grant stays visible.
    pub retention: Duration,
    /// The store's revision when the configuration was read: what the configured sites carry.
    pub loaded_revision: Revision,
}

/// The service without its doors.
pub struct App {
    store: Arc<dyn Store>,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Shared with the tasks that write sites.
    sites: Arc<Sites>,
    publication: Publication,
    profile: Profile,
    longest_code: usize,
    retention: Duration,
    loaded_revision: Revision,
    /// Slow signatures share the cores with everything else; as many as there are cores run at once.
    slow_signatures: Arc<Semaphore>,
    readiness: readiness::Latch,
    loaded_at: Timestamp,
    /// Held while a site is written, by the task that writes it.
    site_writes: Arc<Mutex<()>>,
}

impl App {
    /// Puts the service together; it answers [`Readiness`] with "starting" until [`started`](Self::started).
    pub fn new(store: Arc<dyn Store>, parts: AppParts) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let app = Self {
            store,
            slow_signatures: Arc::new(Semaphore::new(cores)),
            readiness: readiness::Latch::new(),
            loaded_at: parts.clock.now(),
            site_writes: Arc::default(),
            clock: parts.clock,
            metrics: parts.metrics,
            sites: Arc::new(parts.sites),
            publication: parts.publication,
            profile: parts.profile,
            longest_code: parts.longest_code,
            retention: parts.retention,
            loaded_revision: parts.loaded_revision,
        };
        app.report_certificates();
        app
    }

    /// The clock all rules of this service are given their time from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where what happens is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// When the configuration was read.
    pub fn loaded_at(&self) -> Timestamp {
        self.loaded_at
    }

    /// The store's revision then, which is later than that of every change before.
    pub fn loaded_revision(&self) -> Revision {
        self.loaded_revision
    }

    /// The configured sites.
    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    /// What tokens carry, and the redeem door's certificate.
    pub fn publication(&self) -> &Publication {
        &self.publication
    }

    /// Tells the metrics when certificates expire; to be called again when one was replaced.
    pub fn report_certificates(&self) {
        for (namespace, name, issuer) in self.sites.issuers() {
            let not_after = issuer.not_after().unix_seconds();
            self.metrics.issuer_loaded(namespace.as_str(), name.as_str(), not_after);
        }
        let serving = self.publication.serving();
        self.metrics.serving_certificate_loaded(serving.not_after().unix_seconds());
    }

    /// Finishes what was accepted and closes the store.
    ///
    /// # Errors
    /// What the store could not finish.
    pub async fn close(&self) -> Result<(), crate::store::StoreError> {
        self.store.close().await
    }
}
