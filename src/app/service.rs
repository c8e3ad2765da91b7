//! The service: what the use cases share.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::{Mutex, Semaphore};

use super::{
    admin_users::AdminUsers,
    background::LostTasks,
    clock_mark::{ClockBehind, ClockMark, ClockMarkError},
    disk_reserve::DiskReserve,
    lifecycle::{Latch, Stage},
    long_work::LongWork,
    memory_budget::MemoryBudget,
    publication::Publication,
    refusals::Refusals,
    sites::Sites,
    wrong_codes::WrongCodes,
};
use crate::{
    grant::Revision,
    metrics::{Metrics, StoreOperation},
    pki::Profile,
    store::{Store, StoreError},
    time::{Clock, Timestamp},
};

/// What the use cases need, put together once at start.
#[derive(Debug)]
pub struct AppParts {
    /// The only reader of the time.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The sites that links lead to, and their issuers.
    pub sites: Sites,
    /// The URL and certificate that tokens carry.
    pub publication: Publication,
    /// The contents of issued certificates.
    pub profile: Profile,
    /// The longest code that the redeem listener can take, in bytes.
    pub longest_code: usize,
    /// How long an expired or used-up grant stays visible.
    pub retention: Duration,
    /// For how long after a redemption the same name and subject is answered again uncounted; zero for never.
    pub retry_window: Duration,
    /// The store's revision when the configuration was read: what the configured sites carry.
    pub loaded_revision: Revision,
}

/// The service without its listeners.
pub struct App {
    pub(super) store: Arc<dyn Store>,
    clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    /// Shared with the tasks that write sites.
    pub(super) sites: Arc<Sites>,
    publication: Publication,
    admin_users: AdminUsers,
    pub(super) profile: Profile,
    pub(super) longest_code: usize,
    pub(super) retention: Duration,
    pub(super) retry_window: Duration,
    loaded: RwLock<Loaded>,
    /// Slow signatures share the cores with everything else; as many as there are cores run at once.
    pub(super) slow_signatures: Arc<Semaphore>,
    memory: Arc<MemoryBudget>,
    requests: LongWork,
    watches: LongWork,
    pub(super) wrong_codes: WrongCodes,
    pub(super) refusals: Arc<Refusals>,
    pub(super) latch: Latch,
    pub(super) lost: LostTasks,
    disk_reserve: Option<DiskReserve>,
    pub(super) clock_mark: ClockMark,
    /// Held while a site is written, by the task that writes it.
    pub(super) site_writes: Arc<Mutex<()>>,
}

/// When the configuration was read.
#[derive(Debug, Clone, Copy)]
struct Loaded {
    at: Timestamp,
    revision: Revision,
}

impl App {
    /// Assembles the service; it is not [ready](Self::readiness) until [`started`](Self::started).
    pub fn new(store: Arc<dyn Store>, parts: AppParts) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let now = parts.clock.now();
        let loaded = RwLock::new(Loaded { at: now, revision: parts.loaded_revision });
        let app = Self {
            store,
            slow_signatures: Arc::new(Semaphore::new(cores)),
            memory: Arc::default(),
            requests: LongWork::default(),
            watches: LongWork::default(),
            wrong_codes: WrongCodes::default(),
            refusals: Arc::default(),
            latch: Latch::new(),
            lost: LostTasks::default(),
            site_writes: Arc::default(),
            clock: parts.clock,
            metrics: parts.metrics,
            sites: Arc::new(parts.sites),
            publication: parts.publication,
            admin_users: AdminUsers::default(),
            profile: parts.profile,
            longest_code: parts.longest_code,
            retention: parts.retention,
            retry_window: parts.retry_window,
            loaded,
            disk_reserve: None,
            clock_mark: ClockMark::new(now),
        };
        app.report_certificates();
        app
    }

    /// The same with a reserve of disk space, below which grants and objects are neither made nor changed.
    pub fn with_disk_reserve(self, reserve: DiskReserve) -> Self {
        Self { disk_reserve: Some(reserve), ..self }
    }

    /// The same with the latest time that a server has seen kept in this file.
    ///
    /// # Errors
    /// [`ClockMarkError`] when the file holds no time or cannot be read.
    pub fn with_clock_mark(self, file: PathBuf) -> Result<Self, ClockMarkError> {
        let clock_mark = ClockMark::kept_in(file, self.clock.now())?;
        Ok(Self { clock_mark, ..self })
    }

    /// The time for decisions, which never goes back.
    ///
    /// # Errors
    /// [`ClockBehind`] while the clock shows a much earlier time than it has shown before.
    pub(super) fn time(&self) -> Result<Timestamp, ClockBehind> {
        self.clock_mark.time(&self.clock)
    }

    /// Whether something may be written that is no redemption and removes nothing.
    pub(super) fn check_disk(&self, action: &'static str) -> Result<(), StoreError> {
        let checked = self.disk_reserve.as_ref().map_or(Ok(()), |reserve| reserve.check(action));
        checked.map_err(|error| self.counted(error, StoreOperation::Write))
    }

    /// The clock all rules of this service are given their time from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The memory for what clients of the admin API send and have to take, over all listeners.
    pub fn memory(&self) -> &Arc<MemoryBudget> {
        &self.memory
    }

    /// The places for requests of the admin API that take long, such as the parsing of large bodies.
    pub fn requests(&self) -> &LongWork {
        &self.requests
    }

    /// The places for watches that make events.
    pub fn watches(&self) -> &LongWork {
        &self.watches
    }

    /// The metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// When the configuration was read.
    pub fn loaded_at(&self) -> Timestamp {
        self.loaded().at
    }

    /// The store's revision then, which is later than that of every change before.
    pub fn loaded_revision(&self) -> Revision {
        self.loaded().revision
    }

    /// Notes that the configuration was read again, and the store's revision then.
    pub(super) fn configuration_loaded(&self, revision: Revision) {
        let now = Loaded { at: self.clock.now(), revision };
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn loaded(&self) -> Loaded {
        *self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configured sites.
    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    /// What tokens carry, and the redeem listener's certificate.
    pub fn publication(&self) -> &Publication {
        &self.publication
    }

    /// The register of the users of the admin API.
    pub fn admin_users(&self) -> &AdminUsers {
        &self.admin_users
    }

    /// Reports to the metrics when certificates expire; to be called again when one was replaced.
    pub fn report_certificates(&self) {
        self.metrics.issuers_forgotten();
        for (namespace, name, issuer) in self.sites.issuers() {
            let not_after = issuer.not_after().unix_seconds();
            self.metrics.issuer_loaded(namespace.as_str(), name.as_str(), not_after);
        }
        let serving = self.publication.serving();
        self.metrics.serving_certificate_loaded(serving.not_after().unix_seconds());
    }

    /// The listeners are open.
    pub fn started(&self) {
        self.latch.advance(Stage::Serving);
    }

    /// The listeners are closing; there is no way back.
    pub fn draining(&self) {
        self.latch.advance(Stage::Draining);
    }

    /// Whether [`draining`](Self::draining) was called.
    pub fn is_draining(&self) -> bool {
        self.latch.stage() == Stage::Draining
    }

    /// Completes once [`draining`](Self::draining) was called, at once when that is over already.
    pub async fn stopping(&self) {
        self.latch.reached(Stage::Draining).await;
    }

    /// Finishes what was accepted, logs what is not logged yet, and closes the store.
    ///
    /// # Errors
    /// What the store could not finish.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.refusals.sum_up();
        self.store.close().await
    }
}
