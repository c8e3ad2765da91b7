//! Requests that are refused, hundreds in a second: they must not fill the disk with log lines.

use std::time::Duration;

use super::{
    ATTACKER, Form, NEIGHBOUR, alone,
    attack::{Attack, ask},
    honest::{at, clients_come},
    memory::Memory,
    report,
};
use crate::{
    server::Server,
    wire::{Client, request},
};

/// So many lines of log a second are enough for any number of refusals from one source.
const LINES_PER_SECOND: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_summed_up_in_the_log_and_cost_others_nothing() {
    let _alone = alone().await;
    let server = Server::start();
    let (token, other) = (server.issue(10_000), server.issue(10_000));
    let client = Client::new(server.redeem, &token);
    let wrong = String::from_utf8(request(&other, "east", "")).unwrap();
    let code = other.code.expose();
    let wrong = wrong.replace(code, &"x".repeat(code.len())).into_bytes();
    let (before, memory) = (server.log(), Memory::of(&server));
    let begun = std::time::Instant::now();
    let attacker = client.clone();
    // In a debug build as many as it can.
    let attack = Attack::at_a_rate(Form::of(80, 600), move || {
        let (client, wrong) = (attacker.clone(), wrong.clone());
        async move {
            let _ = ask(&client, ATTACKER, &wrong).await;
        }
    });

    let (each, length) = Form::of((4, Duration::from_secs(4)), (40, Duration::from_secs(20)));
    let experience = clients_come(&client, &token, &at(NEIGHBOUR, &[0, 100, 500]), each, length).await;

    let (rate, seconds) = (attack.per_second(), begun.elapsed().as_secs_f64());
    drop(attack);
    // The last summary comes after the last refusal.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let log = server.log()[before.len()..].to_owned();
    // An honest redemption has a line of its own.
    let lines = log.lines().count().saturating_sub(experience.served()) as f64 / seconds;
    let kibibytes = log.len() as f64 / 1024.0 / seconds;
    let effect = memory.after().await;
    let result = format!("{lines:.0} lines and {kibibytes:.1} KiB of log a second; {experience}; {effect}");
    report(&format!("{rate} wrong requests/s"), &result);
    assert!(experience.is_perfect(), "{result}");
    assert!(lines <= LINES_PER_SECOND as f64, "{result}");
    assert!(log.contains(&ATTACKER.to_string()), "the log does not say who was refused:\n{log}");
    effect.assert_bounded();
}
