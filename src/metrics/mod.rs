//! Level 2: every metric, as methods named for what happened.
//!
//! Labels are enums and every value is present at 0 from the start, so that a rate over a rare event is 0 and not absent.

mod family;
mod label;

use std::time::Duration;

use family::{Counters, Gauges, Histograms, Instruments};
use label::Label as _;
pub use label::{
    AdminResource, AdminVerb, ConnectionState, FailureReason, GrantStateLabel, HandshakeOutcome, KeyExchange,
    LinkState, Phase, RedemptionOutcome, RefusalReason, Rejection, ReloadOutcome, Reloaded, StatusClass,
    StoreOperation, TokenOutcome,
};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

/// Buckets in seconds, from a refusal that reads one row to a commit on a slow disk.
const DURATION_BUCKETS: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Buckets in seconds, from reading one row to making an RSA key.
const PHASE_BUCKETS: &[f64] =
    &[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];
const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// All metrics of one server, in a registry of their own.
#[derive(Debug)]
pub struct Metrics {
    instruments: Instruments,
    redemptions: Counters<RedemptionOutcome>,
    refusals: Counters<RefusalReason>,
    failures: Counters<FailureReason>,
    redemption_seconds: Histogram,
    phase_seconds: Histograms<Phase>,
    batch_size: Histogram,
    commit_seconds: Histogram,
    store_errors: Counters<StoreOperation>,
    store_rolled_back: IntGauge,
    grants: Gauges<GrantStateLabel>,
    tokens: Counters<TokenOutcome>,
    links: Gauges<LinkState>,
    connections: Gauges<ConnectionState>,
    rejections: Counters<Rejection>,
    handshakes: IntCounterVec,
    admin_requests: IntCounterVec,
    reloads: IntCounterVec,
    issuer_not_after: IntGaugeVec,
    serving_not_after: IntGauge,
    log_lines_dropped: IntCounter,
}

impl Metrics {
    /// A fresh set, every counter at 0.
    pub fn new() -> Self {
        let i = Instruments::new();
        let metrics = Self {
            redemptions: i.counters("grantd_redemptions_total", "Redemption requests by how they ended.", "outcome"),
            refusals: i.counters("grantd_refusals_total", "Refused redemption requests by reason.", "reason"),
            failures: i.counters(
                "grantd_redemption_failures_total",
                "Redemption requests that failed through no fault of the caller, by reason.",
                "reason",
            ),
            redemption_seconds: i.histogram(
                "grantd_redemption_duration_seconds",
                "Time from a complete request to its answer.",
                DURATION_BUCKETS,
            ),
            phase_seconds: i.histograms(
                "grantd_redemption_phase_seconds",
                "Time of each part of a redemption.",
                "phase",
                PHASE_BUCKETS,
            ),
            batch_size: i.histogram("grantd_commit_batch_size", "Changes in one durable commit.", BATCH_BUCKETS),
            commit_seconds: i.histogram("grantd_store_commit_seconds", "Time of one durable commit.", DURATION_BUCKETS),
            store_errors: i.counters("grantd_store_errors_total", "Store operations that failed.", "operation"),
            store_rolled_back: i.gauge(
                "grantd_store_rolled_back",
                "1 while the database is one that was put back to an older state, and nobody has acknowledged it.",
            ),
            grants: i.gauges("grantd_grants", "Stored grants by state.", "state"),
            tokens: i.counters(
                "grantd_token_attempts_total",
                "Attempts to redeem applied AccessTokens by how they ended.",
                "outcome",
            ),
            links: i.gauges("grantd_links", "Stored Links by state.", "state"),
            connections: i.gauges("grantd_connections", "Connections of the redeem listener.", "state"),
            rejections: i.counters("grantd_connections_rejected_total", "Connections turned away.", "reason"),
            handshakes: i.pairs::<HandshakeOutcome, KeyExchange>(
                "grantd_tls_handshakes_total",
                "TLS handshakes of the redeem listener.",
                ["outcome", "group"],
            ),
            admin_requests: i.triples::<AdminVerb, AdminResource, StatusClass>(
                "grantd_admin_requests_total",
                "Requests of the admin listeners.",
                ["verb", "resource", "code"],
            ),
            reloads: i.pairs::<Reloaded, ReloadOutcome>(
                "grantd_reloads_total",
                "Changed files that were loaded, or refused while the previous ones stayed in use.",
                ["file", "outcome"],
            ),
            issuer_not_after: i.gauge_vec(
                "grantd_issuer_not_after_timestamp_seconds",
                "When an issuer's certificate expires.",
                &["namespace", "issuer"],
            ),
            serving_not_after: i.gauge(
                "grantd_serving_certificate_not_after_timestamp_seconds",
                "When the redeem listener's certificate expires.",
            ),
            log_lines_dropped: i
                .counter("grantd_log_lines_dropped_total", "Log lines that standard error did not take."),
            instruments: i,
        };
        metrics.instruments.build_info(env!("CARGO_PKG_VERSION"));
        metrics
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        self.instruments.render()
    }

    /// A bundle was made; `took` from the complete request on.
    pub fn redeemed(&self, took: Duration) {
        self.redemptions.of(RedemptionOutcome::Issued).inc();
        self.redemption_seconds.observe(took.as_secs_f64());
    }

    /// A bundle was made that repeats one; `took` from the complete request on.
    pub fn replayed(&self, took: Duration) {
        self.redemptions.of(RedemptionOutcome::Replayed).inc();
        self.redemption_seconds.observe(took.as_secs_f64());
    }

    /// A request was turned down.
    pub fn refused(&self, reason: RefusalReason, took: Duration) {
        self.redemptions.of(RedemptionOutcome::Refused).inc();
        self.refusals.of(reason).inc();
        self.redemption_seconds.observe(took.as_secs_f64());
    }

    /// A request failed through no fault of the caller.
    pub fn failed(&self, reason: FailureReason, took: Duration) {
        self.redemptions.of(RedemptionOutcome::Failed).inc();
        self.failures.of(reason).inc();
        self.redemption_seconds.observe(took.as_secs_f64());
    }

    /// One part of a redemption ended.
    pub fn phase(&self, phase: Phase, took: Duration) {
        self.phase_seconds.of(phase).observe(took.as_secs_f64());
    }

    /// One durable commit ended.
    pub fn committed(&self, batch: usize, took: Duration) {
        // A batch holds a few hundred at most, far from where a float loses whole numbers.
        self.batch_size.observe(f64::from(u32::try_from(batch).unwrap_or(u32::MAX)));
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// The store failed.
    pub fn store_failed(&self, operation: StoreOperation) {
        self.store_errors.of(operation).inc();
    }

    /// Whether the database was put back to an older state, and nobody has acknowledged it.
    pub fn store_is_rolled_back(&self, is_so: bool) {
        self.store_rolled_back.set(is_so.into());
    }

    /// How many grants there are.
    pub fn grants(&self, state: GrantStateLabel, count: u64) {
        self.grants.of(state).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// An attempt to redeem an applied AccessToken ended.
    pub fn token_tried(&self, outcome: TokenOutcome) {
        self.tokens.of(outcome).inc();
    }

    /// A Link entered this state; it leaves when the guard is dropped.
    pub fn link(&self, state: LinkState) -> Occupancy {
        Occupancy::of(self.links.of(state))
    }

    /// A connection entered this state; it leaves when the guard is dropped.
    pub fn connection(&self, state: ConnectionState) -> Occupancy {
        Occupancy::of(self.connections.of(state))
    }

    /// A log line was dropped, because standard error did not take it.
    pub fn log_line_dropped(&self) {
        self.log_lines_dropped.inc();
    }

    /// A connection was turned away.
    pub fn rejected(&self, reason: Rejection) {
        self.rejections.of(reason).inc();
    }

    /// A TLS handshake ended.
    pub fn handshake(&self, outcome: HandshakeOutcome, group: KeyExchange) {
        self.handshakes.with_label_values(&[outcome.as_str(), group.as_str()]).inc();
    }

    /// An admin request was answered.
    pub fn admin_request(&self, verb: AdminVerb, resource: AdminResource, code: StatusClass) {
        self.admin_requests.with_label_values(&[verb.as_str(), resource.as_str(), code.as_str()]).inc();
    }

    /// The issuers of the configuration are about to be reported again; those that are gone are no longer shown.
    pub fn issuers_forgotten(&self) {
        self.issuer_not_after.reset();
    }

    /// A file that had changed was loaded again, or refused.
    pub fn reloaded(&self, what: Reloaded, outcome: ReloadOutcome) {
        self.reloads.with_label_values(&[what.as_str(), outcome.as_str()]).inc();
    }

    /// An issuer was loaded that expires at this Unix time.
    pub fn issuer_loaded(&self, namespace: &str, issuer: &str, not_after_seconds: i64) {
        self.issuer_not_after.with_label_values(&[namespace, issuer]).set(not_after_seconds);
    }

    /// A serving certificate was loaded that expires at this Unix time.
    pub fn serving_certificate_loaded(&self, not_after_seconds: i64) {
        self.serving_not_after.set(not_after_seconds);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// One thing counted in a gauge, until dropped.
#[derive(Debug)]
pub struct Occupancy(IntGauge);

impl Occupancy {
    fn of(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Occupancy {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_value_is_there_from_the_start() {
        let text = Metrics::new().render();
        for line in [
            "grantd_redemptions_total{outcome=\"issued\"} 0",
            "grantd_refusals_total{reason=\"wrong_code\"} 0",
            "grantd_redemption_failures_total{reason=\"store\"} 0",
            "grantd_redemption_failures_total{reason=\"overdue\"} 0",
            "grantd_redemption_phase_seconds_count{phase=\"commit\"} 0",
            "grantd_store_errors_total{operation=\"commit\"} 0",
            "grantd_grants{state=\"exhausted\"} 0",
            "grantd_store_rolled_back 0",
            "grantd_token_attempts_total{outcome=\"refused\"} 0",
            "grantd_links{state=\"pending\"} 0",
            "grantd_connections{state=\"handshaking\"} 0",
            "grantd_connections_rejected_total{reason=\"descriptors\"} 0",
            "grantd_tls_handshakes_total{group=\"x25519mlkem768\",outcome=\"completed\"} 0",
            "grantd_admin_requests_total{code=\"4xx\",resource=\"sites\",verb=\"delete\"} 0",
            "grantd_serving_certificate_not_after_timestamp_seconds 0",
            concat!("grantd_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|l| l == line), "missing: {line}\n{text}");
        }
        assert!(text.contains("process_resident_memory_bytes"), "the process collector is missing");
    }

    #[test]
    fn a_connection_is_counted_until_it_is_gone() {
        let metrics = Metrics::new();
        let connection = metrics.connection(ConnectionState::Open);
        assert!(metrics.render().contains("grantd_connections{state=\"open\"} 1"));
        drop(connection);
        assert!(metrics.render().contains("grantd_connections{state=\"open\"} 0"));
    }

    #[test]
    fn a_link_is_counted_in_its_state() {
        let metrics = Metrics::new();
        let pending = metrics.link(LinkState::Pending);
        let ready = metrics.link(LinkState::Ready);
        drop(pending);
        assert!(metrics.render().contains("grantd_links{state=\"pending\"} 0"));
        assert!(metrics.render().contains("grantd_links{state=\"ready\"} 1"));
        drop(ready);
        assert!(metrics.render().contains("grantd_links{state=\"ready\"} 0"));
    }

    #[test]
    fn a_refusal_counts_under_its_reason() {
        let metrics = Metrics::new();
        metrics.refused(RefusalReason::Expired, Duration::from_millis(1));
        let text = metrics.render();
        assert!(text.contains("grantd_redemptions_total{outcome=\"refused\"} 1"));
        assert!(text.contains("grantd_refusals_total{reason=\"expired\"} 1"));
        assert!(text.contains("grantd_redemption_duration_seconds_count 1"));
    }

    #[test]
    fn a_failure_counts_under_its_reason() {
        let metrics = Metrics::new();
        metrics.failed(FailureReason::Gone, Duration::from_millis(1));
        let text = metrics.render();
        assert!(text.contains("grantd_redemptions_total{outcome=\"failed\"} 1"));
        assert!(text.contains("grantd_redemption_failures_total{reason=\"gone\"} 1"));
        assert!(text.contains("grantd_redemption_duration_seconds_count 1"));
    }
}
