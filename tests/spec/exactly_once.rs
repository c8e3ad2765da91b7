//! Never more redemptions than allowed, each with its record.

use std::collections::BTreeSet;

use crate::{server::Server, wire::Client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_concurrent_redeemers_exactly_the_allowed_seven_succeed() {
    let server = Server::start();
    let token = server.issue(7);
    let client = Client::new(server.redeem, &token);

    let mut attempts = tokio::task::JoinSet::new();
    for number in 0..200 {
        let (client, token) = (client.clone(), token.clone());
        attempts.spawn(async move { client.redeem(&token, &format!("site-{number}")).await.unwrap() });
    }
    let answers = attempts.join_all().await;

    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (7, 193));
    for answer in lost {
        assert_eq!((answer.status, answer.body.as_str()), (404, "No such access granted\n"));
    }
    let ledger = server.ledger(&token);
    let ordinals: Vec<u64> = ledger.iter().map(|row| row["ordinal"].as_u64().unwrap()).collect();
    assert_eq!(ordinals, [1, 2, 3, 4, 5, 6, 7]);
    let recorded: BTreeSet<String> = ledger.iter().map(|row| row["serial"].as_str().unwrap().to_owned()).collect();
    let served: BTreeSet<String> = won.iter().map(|answer| answer.serial()).collect();
    assert_eq!(served, recorded);
    assert_eq!(server.grant(&token)["status"]["redemptions"], 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_is_counted_once_or_not_at_all() {
    use tokio::io::AsyncWriteExt;
    let server = Server::start();
    let token = server.issue(50);
    let client = Client::new(server.redeem, &token);

    for number in 0..20 {
        let mut stream = client.connect().await.unwrap();
        stream.write_all(&crate::wire::request(&token, &format!("gone-{number}"), "")).await.unwrap();
        drop(stream);
    }
    // One that waits for its answer is behind those in the queue of commits.
    let answer = client.redeem(&token, "last").await.unwrap();

    assert_eq!(answer.status, 200);
    let ledger = server.ledger(&token);
    let made = server.grant(&token)["status"]["redemptions"].as_u64().unwrap();
    assert_eq!(ledger.len() as u64, made);
    let names: BTreeSet<&str> = ledger.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), ledger.len(), "a request was counted twice");
}
