//! The cost of a redemption, measured on the real program.
//!
//! Starts `grantd serve` with durable commits and drives it over TLS from this process, a new connection for each
//! redemption; in the same run, in turns, bare handshakes with the same settings. Figures of one run compare with each
//! other, not with those of another machine or hour: the ratio is the result.
//!
//! `cargo bench` takes about a minute; `cargo bench -- --grants 1000000` stores that many grants first and prints the
//! memory. `cargo bench -- --database postgres` has the store in a PostgreSQL that it starts on the same cores, and
//! `--replicas 3` as many servers on that one database.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on has failed"
)]
#![expect(clippy::print_stdout, reason = "the figures are the result")]

#[path = "../../tests/spec/postgres/cluster.rs"]
#[expect(dead_code, reason = "the specification uses more of it")]
mod cluster;
mod database;
mod load;
#[path = "../../tests/spec/postgres/programs.rs"]
mod programs;
#[path = "../../tests/spec/server.rs"]
#[expect(dead_code, reason = "the specification uses more of it")]
mod server;
#[path = "../../tests/spec/wire.rs"]
#[expect(dead_code, reason = "the specification uses more of it")]
mod wire;

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use cluster::{Cluster, Database};
use database::Costs;
use load::{Figures, Work};
use server::{Scratch, Server};

/// Handshakes and redemptions alternate, so that a slow phase of the host affects both.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
const IN_FLIGHT: usize = 32;
/// The number of clock ticks in a second that /proc counts in; fixed on Linux.
const TICKS: f64 = 100.0;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number_after = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let (rounds, round) = if quick { (1, Duration::from_secs(1)) } else { (ROUNDS, ROUND) };

    let after =
        |flag: &str| arguments.iter().position(|argument| argument == flag).and_then(|at| arguments.get(at + 1));
    match after("--database").map(String::as_str) {
        None => measure_sqlite(number_after("--grants"), rounds, round),
        Some("postgres") => {
            let cluster = database::start_cluster();
            let database = cluster.create_database();
            let servers = replicas(&cluster, &database, number_after("--replicas").unwrap_or(1));
            measure(&servers, Some(&database), rounds, round);
        }
        Some(other) => panic!("--database {other}: only postgres is known; without it, the store is SQLite"),
    }
}

fn measure_sqlite(grants: Option<u64>, rounds: usize, round: Duration) {
    let server = Server::start_with(&["--log", "error"]);
    println!("idle                       {:>8.1} MiB resident", resident_mebibytes(server.pid()));
    let server = match grants {
        None => server,
        Some(count) => {
            drop(server);
            let server = with_grants(count);
            println!("{count} stored grants  {:>8.1} MiB resident", resident_mebibytes(server.pid()));
            server
        }
    };
    measure(&[server], None, rounds, round);
}

/// Servers on one database, with the keys of the first.
fn replicas(cluster: &Cluster, database: &Database<'_>, count: u64) -> Vec<Server> {
    let arguments = ["--log", "error", "--database", &cluster.socket_url(&database.name)].map(str::to_owned);
    let first = Server::start_in(Scratch::new(), arguments.to_vec());
    let mut servers = vec![first];
    for _ in 1..count {
        let scratch = Scratch::new();
        fs::create_dir(scratch.file("data")).unwrap();
        let shared = ["sealing.key", "issuers", "server-ca"].map(|name| servers[0].data_dir.join(name));
        let copied = Command::new("cp").arg("-a").args(shared).arg(scratch.file("data")).status().unwrap();
        assert!(copied.success());
        servers.push(Server::start_in(scratch, arguments.to_vec()));
    }
    servers
}

fn measure(servers: &[Server], database: Option<&Database<'_>>, rounds: usize, round: Duration) {
    let token = servers[0].issue(2_000_000_000);
    let addresses: Vec<_> = servers.iter().map(|server| server.redeem).collect();
    let cpu = || servers.iter().map(|server| cpu_seconds(server.pid())).sum::<f64>();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mut handshakes, mut redemptions) = (Figures::default(), Figures::default());
    let mut costs = Costs::default();
    for number in 0..=rounds {
        for (work, figures) in [(Work::Handshake, &mut handshakes), (Work::Redemption, &mut redemptions)] {
            let costs_before = database.filter(|_| work == Work::Redemption).map(Costs::now);
            let before = cpu();
            // The first round warms up.
            let length = if number == 0 { round / 4 } else { round };
            let (latencies, elapsed) = runtime.block_on(load::drive(&addresses, &token, work, IN_FLIGHT, length));
            if number > 0 {
                figures.add(latencies, elapsed, cpu() - before);
                if let (Some(before), Some(database)) = (costs_before, database) {
                    costs.add_since(before, Costs::now(database));
                }
            }
        }
    }
    println!("\n{IN_FLIGHT} in flight                /s     p50 ms   p99 ms   server CPU us");
    println!("bare TLS handshakes  {handshakes}");
    println!("redemptions          {redemptions}");
    let aim = if database.is_some() { "0.55" } else { "0.70" };
    println!("\nredemptions / handshakes   {:>8.2}  (aim: at least {aim})", redemptions.rate() / handshakes.rate());
    println!("server CPU, the same       {:>8.2}", redemptions.cpu_each() / handshakes.cpu_each());
    let made = servers[0].grant(&token)["status"]["redemptions"].as_u64().unwrap();
    assert!(made >= redemptions.count(), "a redemption was answered and not counted");
    for server in servers {
        println!("mean batch                 {:>8.2}", mean_batch(server));
        println!("after the load             {:>8.1} MiB resident", resident_mebibytes(server.pid()));
    }
    if database.is_some() {
        costs.print(redemptions.count());
    }
}

/// A server whose store holds this many open grants.
fn with_grants(count: u64) -> Server {
    let mut server = Server::start_with(&["--log", "error"]);
    server.signal("TERM");
    server.wait_for_exit();
    let started = Instant::now();
    load::fill(&server.data_dir, count);
    println!("{count} grants stored in {:.0} s", started.elapsed().as_secs_f64());
    server.kill_and_restart()
}

fn mean_batch(server: &Server) -> f64 {
    let metrics = server.observe("/metrics").1;
    let value = |name: &str| -> f64 {
        metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
    };
    value("grantd_commit_batch_size_sum ") / value("grantd_commit_batch_size_count ")
}

fn resident_mebibytes(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// User and system time of the process so far.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name of the program, in parentheses, may hold blanks; what follows does not.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}
