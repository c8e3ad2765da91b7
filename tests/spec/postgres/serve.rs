//! A server on PostgreSQL: what was answered is kept, through kills of either.

use super::cluster::{Cluster, ClusterOptions, shared};
use crate::{
    server::{Server, wait_until},
    wire::Client,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_redeemed_is_known_after_a_kill_of_the_server() {
    let database = shared().create_database();
    let server = Server::start_with(&["--database", &database.socket_url()]);
    let token = server.issue(2);
    let first = Client::new(server.redeem, &token).redeem(&token, "east").await.unwrap();
    assert_eq!(first.status, 200, "{first:?}");

    let server = server.kill_and_restart();
    let client = Client::new(server.redeem, &token);
    let second = client.redeem(&token, "north").await.unwrap();
    let third = client.redeem(&token, "south").await.unwrap();

    assert_eq!((second.status, third.status), (200, 404));
    let serials: Vec<String> =
        server.ledger(&token).iter().map(|row| row["serial"].as_str().unwrap().to_owned()).collect();
    assert_eq!(serials, [first.serial(), second.serial()]);
    assert_eq!(server.grant(&token)["status"]["redemptions"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_nothing_is_redeemed_and_after_it_everything_without_a_restart() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let database = cluster.create_database();
    let mut server = Server::start_with(&["--database", &database.socket_url()]);
    let token = server.issue(2);
    let client = Client::new(server.redeem, &token);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);

    cluster.kill();
    let refused = client.redeem(&token, "north").await.unwrap();
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.headers["retry-after"].parse::<u32>().unwrap() > 0);
    wait_until("it is not ready", || server.observe("/readyz").0 == 503);
    let report = server.observe("/readyz").1;
    assert!(report.lines().any(|line| line.contains("store") && line.contains("did not answer")), "{report}");
    assert_eq!(server.observe("/livez").0, 200, "a restart would not help");

    cluster.start_again();
    wait_until("it is ready again", || server.observe("/readyz").0 == 200);
    let redeemed = client.redeem(&token, "north").await.unwrap();
    assert_eq!(redeemed.status, 200, "{redeemed:?}");
    assert_eq!(client.redeem(&token, "south").await.unwrap().status, 404);
    assert_eq!(server.ledger(&token).len(), 2);
    assert!(server.is_running());
}
