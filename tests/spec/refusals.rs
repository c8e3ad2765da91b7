//! Refused requests are cheap: nothing is written or signed for them, and the log sums them up.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    server::{Server, wait_until},
    wire::{Client, request},
};

const WRONG: usize = 400;

fn metric(server: &Server, line: &str) -> u64 {
    let (_, text) = server.observe("/metrics");
    text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' ')).unwrap().parse().unwrap()
}

/// The lines of the log about refusals.
fn refusals(server: &Server) -> Vec<Value> {
    let lines = server.log();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["message"].as_str().unwrap().contains("refused")).collect()
}

/// How many requests a line is about.
fn counted(line: &Value) -> u64 {
    line["refusals"].as_u64().unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_wrong_codes_cost_no_write_no_signature_and_few_lines_and_the_right_one_is_taken() {
    let server = Server::start();
    let token = server.issue(1);
    let client = Client::new(server.redeem, &token);
    let right = String::from_utf8(request(&token, "east", "")).unwrap();
    let wrong = right.replace(token.code.expose(), &"x".repeat(token.code.expose().len()));
    let (commits, signed) =
        ("grantd_store_commit_seconds_count", "grantd_redemption_phase_seconds_count{phase=\"sign\"}");
    let before = (metric(&server, commits), metric(&server, signed));

    let begun = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, wrong) = (client.clone(), wrong.clone());
        clients.spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..WRONG / 8 {
                let answer = client.exchange(wrong.as_bytes()).await.unwrap();
                assert_eq!(answer.status == 429, answer.headers.contains_key("retry-after"), "{answer:?}");
                statuses.push(answer.status);
            }
            statuses
        });
    }
    let statuses: Vec<u16> = clients.join_all().await.into_iter().flatten().collect();
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;

    let refused = statuses.iter().filter(|status| **status == 403).count();
    assert!((20..=20 + seconds).contains(&refused), "{refused} of {WRONG} in {seconds} s");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), WRONG - refused);
    assert_eq!((metric(&server, commits), metric(&server, signed)), before);
    let told_to_wait = metric(&server, "grantd_refusals_total{reason=\"too_many_wrong_codes\"}");
    assert_eq!(usize::try_from(told_to_wait).unwrap(), WRONG - refused);

    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200, "the right code is always taken");

    wait_until("all refusals are in the log", || {
        refusals(&server).iter().map(counted).sum::<u64>() == u64::try_from(WRONG).unwrap()
    });
    let lines = refusals(&server);
    assert!(lines.len() <= 2 * (seconds + 1), "{} lines in {seconds} s", lines.len());
    assert!(lines.iter().all(|line| line["peer"] == "127.0.0.1"), "{lines:?}");
    assert!(lines.iter().any(|line| line["refusal.reasons"].as_str().unwrap_or("").contains("too_many_wrong_codes")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_summed_up_yet_is_in_the_log_when_the_server_stops() {
    let mut server = Server::start();
    let token = server.issue(1);
    let client = Client::new(server.redeem, &token);
    let path = token.url.split('/').next_back().unwrap();
    let get = format!("GET /{path} HTTP/1.1\r\nHost: grants\r\n\r\n");
    for _ in 0..3 {
        assert_eq!(client.exchange(get.as_bytes()).await.unwrap().status, 405);
    }
    let begun = Instant::now();

    server.signal("TERM");
    server.wait_for_exit();

    assert_eq!(refusals(&server).iter().map(counted).sum::<u64>(), 3);
    assert!(begun.elapsed() < Duration::from_secs(10));
}
