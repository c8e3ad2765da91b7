//! Nobody reads the log: a pipe that is full must cost no redemption.

use std::time::Duration;

use super::{
    Form, NEIGHBOUR, alone,
    honest::{at, clients_come},
    is_alive, report,
};
use crate::{server::Server, wire::Client};

/// Makes standard error a pipe whose reader reads nothing. It is the server itself, which holds both ends.
const NOBODY_READS: &str = "pipe=$(mktemp -u); mkfifo $pipe; exec 2<>$pipe; rm $pipe";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_stops_no_redemption_no_probe_and_no_command() {
    let _alone = alone().await;
    // Every redemption writes some 340 bytes; a pipe holds 64 KiB.
    let server = Server::start_under(NOBODY_READS, &[]);
    let token = server.issue(10_000);
    let client = Client::new(server.redeem, &token);

    let (each, length) = Form::of((300, Duration::from_secs(4)), (2_000, Duration::from_secs(20)));
    let experience = clients_come(&client, &token, &at(NEIGHBOUR, &[0]), each, length).await;

    let alive = is_alive(&server, NEIGHBOUR).await;
    let mut command = server.command(&["grant", "list"]);
    let listed = tokio::task::spawn_blocking(move || command.output().unwrap());
    let listed = tokio::time::timeout(Duration::from_secs(5), listed).await;
    let listed = listed.is_ok_and(|output| output.unwrap().status.success());
    let result = format!("{experience}; /livez {alive}; the CLI {listed}");
    report("the reader of the log stalls", &result);
    assert!(experience.is_perfect() && alive && listed, "{result}");
    assert_eq!(server.ledger(&token).len(), experience.served());
}
