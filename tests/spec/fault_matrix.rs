//! Faults of the system under load: after each, nothing is counted too often, no certificate is without a record, and the
//! server goes on, or starts again.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use grantd::link::AccessToken;
use tokio::task::JoinSet;

use crate::{
    rollback::{copy_database, put_back},
    server::{Scratch, Server, wait_until},
    shim::Faults,
    wire::Client,
};

const REDEEMERS: usize = 4;

/// Redemptions without a pause, and the serial numbers of the certificates that they got.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    won: Arc<Mutex<BTreeSet<String>>>,
    refused: Arc<AtomicBool>,
    redeemers: JoinSet<()>,
}

impl Load {
    pub(crate) fn start(server: &Server, token: &AccessToken) -> Self {
        let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let won = Arc::new(Mutex::new(BTreeSet::new()));
        let mut redeemers = JoinSet::new();
        for _ in 0..REDEEMERS {
            let (client, token) = (Client::new(server.redeem, token), token.clone());
            let (stop, won, refused) = (Arc::clone(&stop), Arc::clone(&won), Arc::clone(&refused));
            redeemers.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    match client.redeem(&token, "east").await {
                        Some(answer) if answer.status == 200 => {
                            won.lock().unwrap().insert(answer.serial());
                        }
                        Some(answer) => {
                            assert_eq!(answer.status, 503, "{answer:?}");
                            refused.store(true, Ordering::SeqCst);
                        }
                        None => tokio::task::yield_now().await,
                    }
                }
            });
        }
        Self { stop, won, refused, redeemers }
    }

    fn won(&self) -> usize {
        self.won.lock().unwrap().len()
    }

    /// Waits until a redemption has succeeded from now on.
    pub(crate) fn wait_for_a_win(&self) {
        let before = self.won();
        wait_until("a redemption succeeds", || self.won() > before);
    }

    /// Waits until a redemption has been answered with 503 from now on.
    pub(crate) fn wait_for_a_refusal(&self) {
        self.refused.store(false, Ordering::SeqCst);
        wait_until("a redemption is refused", || self.refused.load(Ordering::SeqCst));
    }

    pub(crate) async fn stop(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.redeemers.join_all().await;
        std::mem::take(&mut self.won.lock().unwrap())
    }
}

/// Asserts that every certificate has its record, and that the count is that of the records.
pub(crate) fn assert_recorded(server: &Server, token: &AccessToken, won: &BTreeSet<String>) {
    let ledger = server.ledger(token);
    let recorded: BTreeSet<String> = ledger.iter().map(|row| row["serial"].as_str().unwrap().to_owned()).collect();
    assert!(won.is_subset(&recorded), "{} bundles, {} records", won.len(), recorded.len());
    assert_eq!(recorded.len(), ledger.len(), "a serial number was recorded twice");
    let ordinals: Vec<u64> = ledger.iter().map(|row| row["ordinal"].as_u64().unwrap()).collect();
    assert_eq!(ordinals, (1..=ledger.len() as u64).collect::<Vec<_>>());
    assert_eq!(server.grant(token)["status"]["redemptions"].as_u64(), Some(ledger.len() as u64));
}

/// Runs redemptions through a fault that comes and goes, and then through a kill while the fault lasts.
async fn survive(set: impl Fn(&Faults, bool)) {
    let control = Scratch::new();
    let faults = Faults::new(control.file("control"));
    let server = Server::start_under(&faults.preload(), &[]);
    let token = server.issue(1_000_000);
    let load = Load::start(&server, &token);
    load.wait_for_a_win();

    set(&faults, true);
    load.wait_for_a_refusal();
    wait_until("it is not ready", || server.observe("/readyz").0 == 503);
    assert_eq!(server.observe("/livez").0, 200);
    set(&faults, false);
    load.wait_for_a_win();
    wait_until("it is ready again", || server.observe("/readyz").0 == 200);

    set(&faults, true);
    load.wait_for_a_refusal();
    server.signal("KILL");
    set(&faults, false);
    let won = load.stop().await;
    let server = server.kill_and_restart();
    assert_recorded(&server, &token, &won);
    assert_eq!(server.observe("/readyz").0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syncs_that_fail_lose_nothing_and_count_nothing_twice() {
    survive(Faults::fail_syncs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_fail_lose_nothing_and_count_nothing_twice() {
    survive(Faults::fail_writes).await;
}

/// In the long form 15 seconds, which is longer than a request may take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_stopped_for_a_while_loses_nothing() {
    let long = std::env::var_os("GRANTD_LONG_TESTS").is_some();
    let server = Server::start();
    let token = server.issue(1_000_000);
    let load = Load::start(&server, &token);
    load.wait_for_a_win();

    server.signal("STOP");
    tokio::time::sleep(Duration::from_secs(if long { 15 } else { 2 })).await;
    server.signal("CONT");

    load.wait_for_a_win();
    let won = load.stop().await;
    assert_recorded(&server, &token, &won);
    let server = server.kill_and_restart();
    assert_recorded(&server, &token, &won);
}

/// Killed under load, with a database in its place that was copied a while before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_put_back_counts_nothing_twice() {
    let older = Scratch::new();
    let mut server = Server::start();
    let token = server.issue(1_000_000);
    server.signal("TERM");
    assert!(server.wait_for_exit().success());
    copy_database(&server, &older);
    let mut server = server.kill_and_restart();
    let load = Load::start(&server, &token);
    load.wait_for_a_win();
    server.kill();
    let won = load.stop().await;

    put_back(&server, &older);
    let server = server.kill_and_restart();

    let load = Load::start(&server, &token);
    load.wait_for_a_refusal();
    assert_eq!(server.observe("/readyz").0, 503);
    assert!(!won.is_empty() && load.stop().await.is_empty(), "it was offered again");
    server.ok(&["store", "acknowledge-rollback"]);
    let new = server.issue(1_000_000);
    let load = Load::start(&server, &new);
    load.wait_for_a_win();
    assert_recorded(&server, &new, &load.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_directory_disturbs_no_redemption() {
    let server = Server::start();
    let token = server.issue(1_000_000);
    let load = Load::start(&server, &token);
    load.wait_for_a_win();

    for _ in 0..3 {
        let second = server.run(&["serve", "--listen", "127.0.0.1:0", "--observe-listen", "127.0.0.1:0"]);
        assert!(!second.status.success(), "{second:?}");
        load.wait_for_a_win();
    }

    assert!(!load.refused.load(Ordering::SeqCst), "a redemption was refused");
    let won = load.stop().await;
    assert_recorded(&server, &token, &won);
}
