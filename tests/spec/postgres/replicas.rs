//! Two servers on one database.

use std::collections::BTreeSet;

use super::{cluster::shared, start::with_data_of};
use crate::{server::Server, wire::Client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_redeemers_at_two_servers_exactly_the_allowed_seven_succeed() {
    let database = shared().create_database();
    let arguments = ["--database".to_owned(), database.socket_url()];
    let first = Server::start_with(&["--database", &database.socket_url()]);
    let second = Server::start_in(with_data_of(&first), arguments.to_vec());
    let token = first.issue(7);
    let clients = [Client::new(first.redeem, &token), Client::new(second.redeem, &token)];

    let mut attempts = tokio::task::JoinSet::new();
    for number in 0..200 {
        let (client, token) = (clients[number % 2].clone(), token.clone());
        attempts.spawn(async move { client.redeem(&token, &format!("site-{number}")).await.unwrap() });
    }
    let answers = attempts.join_all().await;

    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (7, 193));
    assert!(lost.iter().all(|answer| answer.status == 404), "{lost:?}");
    for server in [&first, &second] {
        let ledger = server.ledger(&token);
        let ordinals: Vec<u64> = ledger.iter().map(|row| row["ordinal"].as_u64().unwrap()).collect();
        assert_eq!(ordinals, [1, 2, 3, 4, 5, 6, 7]);
        let recorded: BTreeSet<String> = ledger.iter().map(|row| row["serial"].as_str().unwrap().to_owned()).collect();
        let served: BTreeSet<String> = won.iter().map(|answer| answer.serial()).collect();
        assert_eq!(served, recorded);
        assert_eq!(server.grant(&token)["status"]["redemptions"], 7);
    }
}
