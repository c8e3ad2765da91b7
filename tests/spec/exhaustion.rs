//! A server that runs out of a resource refuses requests, counts nothing for them, and recovers when the resource is
//! back.

use std::{
    fs,
    net::TcpStream,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    server::{PATIENCE, Server, wait_until},
    wire::{Answer, Client},
};

/// Sets a limit of the running server, as util-linux writes it: `--fsize=SOFT:` leaves the hard limit as it is.
fn limit(server: &Server, limit: &str) {
    let set = Command::new("prlimit").args(["--pid", &server.pid().to_string(), limit]).status().unwrap();
    assert!(set.success(), "{limit}");
}

/// User and system time the server has used, in clock ticks, of which Linux has 100 a second (proc(5)).
fn ticks(server: &Server) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    // Counted from the state, which is field 3 of the manual.
    fields[14 - 3].parse::<u64>().unwrap() + fields[15 - 3].parse::<u64>().unwrap()
}

/// How many descriptors the server has. Only root may count those of a process that is not dumpable; to others the system
/// says for how many it has made room.
fn descriptors(server: &Server) -> usize {
    if let Ok(open) = fs::read_dir(format!("/proc/{}/fd", server.pid())) {
        return open.count();
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap().trim().parse().unwrap()
}

fn metric(server: &Server, line: &str) -> u64 {
    let (_, text) = server.observe("/metrics");
    text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' ')).unwrap().parse().unwrap()
}

/// Waits for an answer of `/readyz`, which is looked up again after a second.
fn readyz_becomes(server: &Server, status: u16) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (found, report) = server.observe("/readyz");
        if found == status {
            return report;
        }
        assert!(Instant::now() < deadline, "{found} {report}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// How many redemptions are counted and how many recorded in a copy of the database's files as they are now.
async fn after_a_crash(server: &Server) -> (u64, u64) {
    for suffix in ["", "-wal"] {
        let copied = format!("copy.db{suffix}");
        fs::copy(server.data_dir.join(format!("grantd.db{suffix}")), server.scratch().file(&copied)).unwrap();
    }
    let options = SqliteConnectOptions::new().filename(server.scratch().file("copy.db"));
    let mut copy = SqliteConnection::connect_with(&options).await.unwrap();
    let counts = "SELECT (SELECT SUM(redemptions) FROM access_grant), (SELECT COUNT(*) FROM redemption)";
    sqlx::query_as(counts).fetch_one(&mut copy).await.unwrap()
}

/// A limit on the size of files replaces a full disk: writes to the store's log fail in the middle. The server's
/// standard error is a file as well, so its log fails, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_nothing_is_counted_and_with_space_it_recovers() {
    // A write beyond the limit raises SIGXFSZ, which ends a process that does not ignore it.
    let server = Server::start_under("trap '' XFSZ", &[]);
    let token = server.issue(1_000);
    let client = Client::new(server.redeem, &token);
    let store_log = fs::metadata(server.data_dir.join("grantd.db-wal")).unwrap().len();
    // Not a whole number of pages: the last write is a part of one.
    limit(&server, &format!("--fsize={}:", store_log + 30_000));

    let mut won = Vec::new();
    let refused = loop {
        let answer = client.redeem(&token, "east").await.unwrap();
        if answer.status != 200 {
            break answer;
        }
        won.push(answer);
        assert!(won.len() < 1_000, "the disk does not fill up");
    };
    assert_eq!((refused.status, refused.body.as_str()), (503, "Internal error\n"));
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");

    // No space at all, not even for less than a redemption.
    limit(&server, "--fsize=4096:");
    let report = readyz_becomes(&server, 503);
    assert!(report.contains("[-]store"), "{report}");
    assert_eq!(server.observe("/livez").0, 200);
    for _ in 0..5 {
        assert_eq!(client.redeem(&token, "east").await.unwrap().status, 503);
    }
    assert!(!server.run(&["token", "issue", "-"]).status.success());
    assert_eq!(server.grant(&token)["status"]["redemptions"].as_u64(), Some(won.len() as u64));

    // A crash at this moment, seen from a copy: what was half written does not come back.
    assert_eq!(after_a_crash(&server).await, (won.len() as u64, won.len() as u64));

    limit(&server, "--fsize=unlimited:");
    won.push(client.redeem(&token, "east").await.unwrap());
    readyz_becomes(&server, 200);
    let server = server.kill_and_restart();
    let recorded: Vec<_> = server.ledger(&token).iter().map(|row| row["serial"].as_str().unwrap().to_owned()).collect();
    assert_eq!(recorded, won.iter().map(Answer::serial).collect::<Vec<_>>());
    assert_eq!(server.grant(&token)["status"]["redemptions"].as_u64(), Some(won.len() as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_little_space_there_is_a_server_that_says_it_is_ready_redeems() {
    /// A page and its header in the store's log.
    const FRAME: u64 = 4096 + 24;
    let server = Server::start_under("trap '' XFSZ", &[]);
    let token = server.issue(1_000);
    let client = Client::new(server.redeem, &token);
    let leave = |frames: u64| {
        let log = fs::metadata(server.data_dir.join("grantd.db-wal")).unwrap().len();
        limit(&server, &format!("--fsize={}:", log + frames * FRAME + 100));
    };
    let mut seen = Vec::new();

    for frames in [0, 1, 3, 5, 30] {
        leave(frames);
        // An answer of /readyz is used again for a second.
        std::thread::sleep(Duration::from_millis(1_050));
        let ready = server.observe("/readyz").0 == 200;
        leave(frames);
        let redeemed = client.redeem(&token, "east").await.unwrap().status == 200;
        assert!(redeemed || !ready, "with {frames} pages it was ready, and did not redeem");
        seen.push((ready, redeemed));
    }

    assert_eq!((seen.first(), seen.last()), (Some(&(false, false)), Some(&(true, true))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_it_does_not_spin_and_serves_again_when_connections_go() {
    let server = Server::start_with(&["--handshake-deadline", "20s"]);
    // Lowered while it runs: at its start, the server fits its own limits to this one.
    limit(&server, "--nofile=64:64");
    let token = server.issue(1);
    let client = Client::new(server.redeem, &token);
    let crowd: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(server.redeem).unwrap()).collect();
    let full = || descriptors(&server) >= 64;
    wait_until("the descriptors run out", full);

    let (before, window) = (ticks(&server), Duration::from_secs(3));
    std::thread::sleep(window);
    let used = ticks(&server) - before;
    assert!(used < 60, "{used} of 300 ticks were spent on waiting");
    assert!(full(), "connections went by themselves");

    drop(crowd);
    let attempts = async {
        loop {
            if let Some(answer) = client.redeem(&token, "east").await {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, attempts).await.expect("served again in time");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(readyz_becomes(&server, 200).matches("[+]").count(), 7);
    let failures = metric(&server, "grantd_connections_rejected_total{reason=\"descriptors\"}");
    assert!((1..500).contains(&failures), "{failures} failed attempts");
    assert_eq!(server.ledger(&token).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_takes_nothing_costs_no_redemption() {
    let server = Server::start_under("exec 2>/dev/full", &[]);
    let token = server.issue(3);
    let client = Client::new(server.redeem, &token);

    for _ in 0..3 {
        assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
    }

    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 404);
    assert_eq!(server.ledger(&token).len(), 3);
    assert_eq!(server.observe("/readyz").0, 200);
}

/// An RSA key takes a core for a good part of a second, so this is many times what can be signed in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_more_slow_signatures_than_can_be_made_those_that_are_made_are_in_time() {
    let server = Server::start_with(&["--client-key-type", "rsa-3072", "--request-deadline", "3s"]);
    let token = server.issue(10_000);
    let client = Client::new(server.redeem, &token);
    // The first ones are served however it waits; what matters is what becomes of those behind them.
    let (steady, end) = (Instant::now() + Duration::from_secs(4), Instant::now() + PATIENCE);
    let won_steadily = Arc::new(AtomicU32::new(0));
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let (client, token, won_steadily) = (client.clone(), token.clone(), Arc::clone(&won_steadily));
        crowd.spawn(async move {
            let mut won = 0;
            while won_steadily.load(Ordering::Relaxed) < 3 && Instant::now() < end {
                let begun = Instant::now();
                let answer = client.redeem(&token, "east").await.unwrap();
                match (answer.status, answer.body.as_str()) {
                    (200, _) => {
                        won += 1;
                        won_steadily.fetch_add(u32::from(begun > steady), Ordering::Relaxed);
                    }
                    other => assert_eq!(other, (503, "Internal error\n")),
                }
            }
            won
        });
    }
    let won: usize = crowd.join_all().await.into_iter().sum();

    let won_steadily = won_steadily.load(Ordering::Relaxed);
    assert!(won_steadily >= 3, "of {won} served, {won_steadily} came after the first");
    assert_eq!(server.ledger(&token).len(), won, "a redemption was counted that no client got");
    // Nothing is signed for clients that have disconnected: that would take longer than three deadlines. One deadline
    // may pass while other processes use the cores.
    let mut after = Vec::new();
    while after.len() < 3 && !after.contains(&200) {
        after.push(client.redeem(&token, "after").await.unwrap().status);
    }
    assert!(after.contains(&200), "{after:?}");
}
