//! The books agree: every request is in exactly one counter, in the ledger if and only if it was served, and in the log with a
//! line of its own or in a sum.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use serde_json::Value;
use tokio::{io::AsyncWriteExt, sync::Semaphore, time::timeout};
use tracing_subscriber::fmt::MakeWriter;

use super::{
    server::{Answer, CODE, PATIENCE, Server, post},
    store::Flaw,
};
use crate::{
    grant::{Grant, GrantId},
    http::Limits,
    pki::RequestKey,
    store::MOST_REPLAYS,
};

/// What the server logs, a JSON object in each line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// How many requests ended in each way. A reason is written as its metric has it; `served` and `replayed` have none.
type Tally = BTreeMap<String, u64>;

impl Log {
    fn tally(&self) -> Tally {
        let mut tally = Tally::new();
        let mut add = |reason: &str, count: u64| *tally.entry(reason.to_owned()).or_default() += count;
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let field = |name: &str| event["fields"][name].as_str().unwrap_or_default().to_owned();
            let message = field("message");
            if message == "grant redeemed" || message.starts_with("redemption answered again") {
                let whose = (field("grant.namespace"), field("peer"));
                assert_eq!(whose, ("west".to_owned(), "127.0.0.1".to_owned()), "{line}");
            }
            match message.as_str() {
                "grant redeemed" => add("served", 1),
                "request refused" => add(&field("refusal.reason"), 1),
                "more requests refused" | "requests of other clients refused" => {
                    for reason in field("refusal.reasons").split(", ") {
                        let (reason, count) = reason.split_once(' ').unwrap();
                        add(reason, count.parse().unwrap());
                    }
                }
                message if message.starts_with("redemption answered again") => add("replayed", 1),
                message if message.starts_with("redemption ") => add("failed", 1),
                _ => {}
            }
        }
        tally
    }
}

/// What the metrics say: the three outcomes, and the reasons of the refused and the failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counters {
    outcomes: Tally,
    refusals: Tally,
    failures: Tally,
}

impl Counters {
    fn of(server: &Server) -> Self {
        let text = server.app.metrics().render();
        let family = |name: &str| -> Tally {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
            let values = lines.map(|line| {
                let (label, value) = line.rsplit_once("\"} ").unwrap();
                (label.split_once('"').unwrap().1.to_owned(), value.parse().unwrap())
            });
            values.collect()
        };
        Self {
            outcomes: family("grantd_redemptions_total"),
            refusals: family("grantd_refusals_total"),
            failures: family("grantd_redemption_failures_total"),
        }
    }

    fn and_one(mut self, ends: Ends) -> Self {
        let (outcome, reasons, reason) = match ends {
            Ends::Served => ("issued", None, ""),
            Ends::Replayed => ("replayed", None, ""),
            Ends::Refused(reason) => ("refused", Some(&mut self.refusals), reason),
            Ends::Failed(reason) => ("failed", Some(&mut self.failures), reason),
        };
        *self.outcomes.get_mut(outcome).unwrap() += 1;
        if let Some(reasons) = reasons {
            *reasons.get_mut(reason).unwrap_or_else(|| panic!("no metric has the reason {reason}")) += 1;
        }
        self
    }
}

/// How a request ends, with the reason in the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Served,
    /// Served again, and not counted again.
    Replayed,
    Refused(&'static str),
    Failed(&'static str),
}

/// A server, and one request after the other, whose trace is looked for after each.
struct Bench {
    server: Server,
    grant: Grant,
}

impl Bench {
    /// Sends a request, and checks that it is counted once, where it belongs.
    async fn ends(&self, how: Ends, flaw: Flaw, grant: &Grant, request: Vec<u8>) {
        self.ends_as(|_| how, flaw, grant, request).await;
    }

    /// The same, where it belongs by its answer.
    async fn ends_as(&self, how: impl Fn(&Answer) -> Ends, flaw: Flaw, grant: &Grant, request: Vec<u8>) -> Ends {
        let (before, (counted, replayed)) = (Counters::of(&self.server), self.rows(grant).await);
        self.server.store.set(flaw);

        let answer = self.server.send(&request).await;

        self.server.store.set(Flaw::None);
        let how = how(&answer);
        let expected = before.and_one(how);
        self.counters_become(&expected).await;
        assert_eq!(Counters::of(&self.server), expected, "{how:?}: {answer:?}");
        let (is_served, is_replayed) = (how == Ends::Served, how == Ends::Replayed);
        let rows = (counted + usize::from(is_served), replayed + usize::from(is_replayed));
        assert_eq!(self.rows(grant).await, rows, "{how:?}: the ledger");
        assert_eq!(answer.status() == "HTTP/1.1 200 OK", is_served || is_replayed, "{how:?}: {answer:?}");
        how
    }

    /// Waits until one more request is counted: a client may have its answer before.
    async fn counters_become(&self, expected: &Counters) {
        let counted = async {
            while Counters::of(&self.server) != *expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let _ = timeout(PATIENCE, counted).await;
    }

    /// The rows of the ledger: what was counted, and what was answered again.
    async fn rows(&self, grant: &Grant) -> (usize, usize) {
        let replays = self.server.app.replays(grant.id, (0, 0), 1000).await.unwrap();
        (self.server.redemptions(grant).await.len(), replays.len())
    }

    /// The request of a Skupper client with these headers and this code.
    fn request(&self, headers: &str, code: &str) -> Vec<u8> {
        post(&format!("/{}", self.grant.id), headers, code)
    }

    async fn what_is_wrong_with_the_request(&self) {
        let refused = |reason, request| self.ends(Ends::Refused(reason), Flaw::None, &self.grant, request);
        let path = format!("/{}", self.grant.id);
        refused("method", format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()).await;
        let chunked = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n");
        refused("body_unreadable", chunked.into_bytes()).await;
        refused("body_too_large", self.request("", &"x".repeat(2000))).await;
        let unfinished = self.request("", CODE);
        refused("too_slow", unfinished[..unfinished.len() - 1].to_vec()).await;
        refused("bad_header", self.request("Name: -\r\n", CODE)).await;
        refused("bad_header", b"nonsense\r\n\r\n".to_vec()).await;
        refused("unknown", post("/x", "", CODE)).await;
        refused("unknown", post(&format!("/{}", GrantId::random()), "", CODE)).await;
    }

    async fn what_the_grant_decides(&self) {
        let end = |how, request| self.ends(how, Flaw::None, &self.grant, request);
        end(Ends::Refused("wrong_code"), self.request("", "wrong")).await;
        end(Ends::Served, self.request("", CODE)).await;
        end(Ends::Refused("exhausted"), self.request("", CODE)).await;
        let other = self.server.grant(1).await;
        let spent = Ends::Refused("too_many_wrong_codes");
        // The budget grows again while the test waits: which request is refused depends on the machine.
        let by_status = |answer: &Answer| match answer.status().starts_with("HTTP/1.1 429") {
            true => spent,
            false => Ends::Refused("wrong_code"),
        };
        let wrong = post(&format!("/{}", other.id), "", "wrong");
        let mut tries = 0;
        while self.ends_as(by_status, Flaw::None, &other, wrong.clone()).await != spent {
            tries += 1;
            assert!(tries < 1000, "wrong codes have no budget");
        }
    }

    async fn who_brings_a_key(&self) {
        let grant = self.server.grant(2).await;
        let request = RequestKey::generate().unwrap().certificate_request().unwrap();
        let with_name = |name: &str, body: &[u8]| {
            let headers =
                format!("Name: {name}\r\nContent-Type: application/pkcs10\r\nAuthorization: Bearer {CODE}\r\n");
            post(&format!("/{}", grant.id), &headers, body)
        };
        let end = |how, bytes| self.ends(how, Flaw::None, &grant, bytes);
        end(Ends::Refused("bad_certificate_request"), with_name("east", b"nonsense")).await;
        end(Ends::Served, with_name("east", &request)).await;
        end(Ends::Refused("key_reused"), with_name("north", &request)).await;
        for _ in 0..MOST_REPLAYS {
            end(Ends::Replayed, with_name("east", &request)).await;
        }
        end(Ends::Refused("too_many_replays"), with_name("east", &request)).await;
    }

    /// A client that goes while the store is busy gets no answer that could be looked at.
    async fn who_does_not_wait(&self) {
        let open = self.server.grant(1).await;
        let (before, commits) = (Counters::of(&self.server), self.server.store.commits.load(Ordering::SeqCst));
        self.server.store.set(Flaw::CommitWaits(Arc::new(Semaphore::new(0))));
        let mut tls = self.server.connect().await;
        tls.write_all(&post(&format!("/{}", open.id), "", CODE)).await.unwrap();
        self.server.commits_begun(commits + 1).await;

        drop(tls);

        let expected = before.and_one(Ends::Refused("hung_up"));
        self.counters_become(&expected).await;
        self.server.store.set(Flaw::None);
        assert_eq!((Counters::of(&self.server), self.rows(&open).await), (expected, (0, 0)));
    }

    async fn what_fails_here(&self) {
        let open = self.server.grant(1).await;
        let request = post(&format!("/{}", open.id), "", CODE);
        for (reason, flaw) in [
            ("store", Flaw::ReadUnavailable),
            ("store", Flaw::CommitUnavailable),
            ("corrupt", Flaw::CorruptRow),
            ("gone", Flaw::DeletedBeforeCommit),
            ("panic", Flaw::ReadPanics),
            ("rolled_back", Flaw::RolledBack),
            ("overdue", Flaw::CommitWaits(Arc::new(Semaphore::new(0)))),
        ] {
            self.ends(Ends::Failed(reason), flaw, &open, request.clone()).await;
        }
        for (namespace, issuer) in [("nowhere", None), ("west", Some("other-ca")), ("rim", None), ("bare", None)] {
            let grant = self.server.grant_of(namespace, 1, issuer).await;
            let request = post(&format!("/{}", grant.id), "", CODE);
            self.ends(Ends::Failed("site"), Flaw::None, &grant, request).await;
        }
    }

    async fn what_time_decides(&self) {
        let start = self.server.clock.now();
        self.server.clock.set(self.grant.expires_at);
        self.ends(Ends::Refused("expired"), Flaw::None, &self.grant, self.request("", CODE)).await;
        // Longer than a self-made CA is valid.
        self.server.clock.set(self.server.clock.now().saturating_add(Duration::from_secs(60 * 366 * 86_400)));
        let grant = self.server.grant(1).await;
        let request = post(&format!("/{}", grant.id), "", CODE);
        self.ends(Ends::Failed("issue"), Flaw::None, &grant, request.clone()).await;
        let day_before = start.saturating_sub(Duration::from_secs(86_400));
        self.server.clock.set(day_before);
        self.ends(Ends::Failed("clock"), Flaw::None, &grant, request).await;
    }
}

/// A reason that no request can bring about from outside: the thread that signs would have to panic. `app/tests/signing.rs` has
/// its test.
const UNREACHABLE: &str = "signing";

#[tokio::test]
async fn every_outcome_is_in_one_counter_in_the_log_and_if_served_in_the_ledger() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(log.clone()).finish();
    // While there is only one, `tracing` asks the thread on which an event comes first whether it is wanted: a test on another
    // thread would answer no, for all.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let limits = Limits { request_deadline: Duration::from_secs(2), ..Limits::default() };
    let server = Server::start_with(limits).await;
    let grant = server.grant(1).await;
    let bench = Bench { server, grant };

    bench.what_is_wrong_with_the_request().await;
    bench.what_the_grant_decides().await;
    bench.who_brings_a_key().await;
    bench.who_does_not_wait().await;
    bench.what_fails_here().await;
    bench.what_time_decides().await;

    let Counters { outcomes, refusals, failures } = Counters::of(&bench.server);
    for (reason, count) in refusals.iter().chain(&failures) {
        assert!(*count > 0 || reason == UNREACHABLE, "no row of this table ends with the reason {reason}");
    }
    // The log has the same numbers, once the last interval has been summed up.
    let mut expected: Tally = refusals.into_iter().filter(|(_, count)| *count > 0).collect();
    expected.insert("served".to_owned(), outcomes["issued"]);
    expected.insert("replayed".to_owned(), outcomes["replayed"]);
    expected.insert("failed".to_owned(), outcomes["failed"]);
    let summed_up = async {
        while log.tally() != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let agrees = timeout(PATIENCE, summed_up).await.is_ok();
    assert!(agrees, "the log has {:?}, the counters {expected:?}", log.tally());
}
