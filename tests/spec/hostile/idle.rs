//! TLS connections that are finished and then say nothing, and handshakes for their own sake: they cost the server a signature
//! each.

use std::time::Duration;

use super::{
    ATTACKER, Form, NEIGHBOUR, alone,
    attack::{Attack, handshake_only, idle_tls},
    honest::{at, clients_come},
    let_it_take_effect,
    memory::Memory,
    report,
};
use crate::{server::Server, wire::Client};

const ROUND_TRIPS: &[u64] = &[0, 100, 500];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_tls_connections_of_one_address_take_no_place_from_another_nor_memory_for_long() {
    let _alone = alone().await;
    let (arguments, count): (&[&str], _) = Form::of((&["--max-connections", "200"], 220), (&[], 4_096));
    let server = Server::start_with(arguments);
    let token = server.issue(10_000);
    let client = Client::new(server.redeem, &token);
    let memory = Memory::of(&server);
    let attacker = client.clone();
    let attack = Attack::kept_up(count, move || idle_tls(attacker.clone(), ATTACKER));
    let_it_take_effect(Form::of(Duration::from_secs(4), Duration::from_secs(25))).await;

    let (each, length) = Form::of((4, Duration::from_secs(3)), (40, Duration::from_secs(30)));
    let experience = clients_come(&client, &token, &at(NEIGHBOUR, ROUND_TRIPS), each, length).await;

    drop(attack);
    let effect = memory.after().await;
    report(&format!("{count} idle TLS connections, renewed"), format!("{experience}; {effect}"));
    assert!(experience.is_perfect(), "{experience}");
    effect.assert_bounded();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_for_their_own_sake_leave_other_addresses_their_share() {
    let _alone = alone().await;
    let server = Server::start();
    let token = server.issue(10_000);
    let client = Client::new(server.redeem, &token);
    let memory = Memory::of(&server);
    let attacker = client.clone();
    let attack = Attack::kept_up(32, move || handshake_only(attacker.clone(), ATTACKER));
    let_it_take_effect(Duration::from_secs(1)).await;

    let (each, length) = Form::of((4, Duration::from_secs(3)), (40, Duration::from_secs(30)));
    let experience = clients_come(&client, &token, &at(NEIGHBOUR, ROUND_TRIPS), each, length).await;

    let rate = attack.per_second();
    drop(attack);
    let effect = memory.after().await;
    report(&format!("{rate} handshakes/s on 32 connections"), format!("{experience}; {effect}"));
    assert!(experience.is_perfect(), "{experience}");
    effect.assert_bounded();
}
