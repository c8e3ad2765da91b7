//! A log whose reader stops reading costs log lines, and nothing else.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::Command,
    sync::mpsc,
    time::{Duration, Instant},
};

use grantd::link::AccessToken;

use crate::{
    server::{PATIENCE, Scratch, Server},
    wire::Client,
};

/// A server whose log goes into a pipe that nobody reads until the test does.
struct Stalled {
    server: Server,
    pipe: File,
    _scratch: Scratch,
}

impl Stalled {
    fn start() -> Self {
        let scratch = Scratch::new();
        let path = scratch.file("log.pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        // For reading and writing, as opening for reading waits for a writer.
        let pipe = File::options().read(true).write(true).open(&path).unwrap();
        let server = Server::start_under(&format!("exec 2>{}", path.display()), &["--log", "trace"]);
        Self { server, pipe, _scratch: scratch }
    }

    fn dropped(&self) -> u64 {
        let (status, text) = self.server.observe("/metrics");
        assert_eq!(status, 200);
        let line = "grantd_log_lines_dropped_total ";
        text.lines().find_map(|l| l.strip_prefix(line)).unwrap().parse().unwrap()
    }

    /// Redeems until log lines are dropped. Returns how many redemptions that took.
    async fn redeem_until_lines_are_dropped(&self, token: &AccessToken) -> usize {
        let client = Client::new(self.server.redeem, token);
        let begun = Instant::now();
        for number in 1.. {
            assert_eq!(client.redeem(token, "east").await.expect("an answer").status, 200);
            if number % 20 == 0 && self.dropped() > 0 {
                return number;
            }
            assert!(begun.elapsed() < 2 * PATIENCE, "{number} redemptions do not fill the log");
        }
        0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redemptions_probes_and_commands_go_on_and_the_dropped_lines_are_counted() {
    let stalled = Stalled::start();
    let token = stalled.server.issue(10_000);

    let made = stalled.redeem_until_lines_are_dropped(&token).await;

    let begun = Instant::now();
    assert_eq!(stalled.server.observe("/livez").0, 200);
    assert_eq!(stalled.server.observe("/readyz").0, 200);
    assert_eq!(stalled.server.grant(&token)["status"]["redemptions"].as_u64(), Some(made as u64));
    assert!(begun.elapsed() < PATIENCE);

    // The reader comes back.
    let (found, mention) = mpsc::channel();
    let pipe = stalled.pipe.try_clone().unwrap();
    std::thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        let dropped = lines
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap()["log.lines_dropped"].as_u64());
        dropped.for_each(|count| {
            let _ = found.send(count);
        });
    });
    let dropped = mention.recv_timeout(PATIENCE).expect("the log says how many lines it lacks");
    assert!(dropped > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_stops_although_its_last_lines_have_no_reader() {
    let mut stalled = Stalled::start();
    let token = stalled.server.issue(10_000);
    stalled.redeem_until_lines_are_dropped(&token).await;
    let begun = Instant::now();

    stalled.server.signal("TERM");
    let status = stalled.server.wait_for_exit();

    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
