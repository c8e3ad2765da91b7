//! Connections that say nothing, hundreds in a second: they cost an attacker a packet each.

use std::{net::IpAddr, time::Duration};

use super::{
    ATTACKER, Form, NEIGHBOUR, alone,
    attack::{Attack, silence},
    honest::{at, clients_come},
    let_it_take_effect,
    memory::Memory,
    report,
};
use crate::{server::Server, wire::Client};

const PER_SECOND: u32 = 900;

async fn silent_connects(from: IpAddr, honest: IpAddr, round_trips: &[u64]) {
    let _alone = alone().await;
    let server = Server::start();
    let token = server.issue(10_000);
    let client = Client::new(server.redeem, &token);
    let memory = Memory::of(&server);
    let to = server.redeem;
    let attack = Attack::at_a_rate(PER_SECOND, move || silence(from, to));
    // As long as a handshake may take: then the oldest silent connection is as old as it gets.
    let_it_take_effect(Duration::from_secs(5)).await;

    let (each, length) = Form::of((4, Duration::from_secs(3)), (40, Duration::from_secs(30)));
    let experience = clients_come(&client, &token, &at(honest, round_trips), each, length).await;

    let rate = attack.per_second();
    drop(attack);
    let effect = memory.after().await;
    let whose = if from == honest { "the same" } else { "another" };
    report(&format!("{rate} silent connects/s from {whose} address"), format!("{experience}; {effect}"));
    assert!(experience.is_perfect(), "{experience}");
    effect.assert_bounded();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_cut_off_no_client_of_another_address() {
    silent_connects(ATTACKER, NEIGHBOUR, &[0, 100, 300, 500, 1000]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_cut_off_no_client_of_the_same_address() {
    silent_connects(ATTACKER, ATTACKER, &[0, 100, 300, 500, 1000]).await;
}
