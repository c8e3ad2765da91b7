//! Clients that are slow in one phase of a connection: they say something, but never enough.

use std::time::Duration;

use super::{
    ATTACKER, Form, NEIGHBOUR, alone,
    attack::{Attack, silence, slow_request, slow_start},
    honest::{at, clients_come},
    let_it_take_effect,
    memory::Memory,
    report,
};
use crate::{server::Server, wire::Client};

/// The phase in which a client is slow.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Tcp,
    /// The PROXY header, which the server wants from the address of the attacker.
    Proxy,
    Tls,
    Header,
    Body,
}

fn behaviour(phase: Phase, client: &Client, count: usize) -> Attack {
    let (client, to) = (client.clone(), client.address());
    let head = b"POST /0bde0d0b-9f5e-4f9f-b6e4-6a9d3d4be1c5 HTTP/1.1\r\nHost: a\r\n";
    match phase {
        Phase::Tcp => Attack::kept_up(count, move || silence(ATTACKER, to)),
        Phase::Proxy => {
            Attack::kept_up(count, move || slow_start(ATTACKER, to, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r"))
        }
        Phase::Tls => Attack::kept_up(count, move || slow_start(ATTACKER, to, b"")),
        Phase::Header => {
            let (first, rest) = (head.to_vec(), b"Name: east-of-nowhere-at-all\r\n".to_vec());
            Attack::kept_up(count, move || slow_request(client.clone(), ATTACKER, first.clone(), rest.clone()))
        }
        Phase::Body => {
            let first = [head.as_slice(), b"Name: east\r\nContent-Length: 24\r\n\r\n"].concat();
            let rest = b"codecodecodecodecodecod".to_vec();
            Attack::kept_up(count, move || slow_request(client.clone(), ATTACKER, first.clone(), rest.clone()))
        }
    }
}

async fn slow_clients(phase: Phase, bounded: usize, long: usize) {
    let _alone = alone().await;
    let network = format!("{ATTACKER}/32");
    let arguments: &[&str] = match phase {
        Phase::Proxy => &["--proxy-protocol-from", &network],
        Phase::Tcp | Phase::Tls | Phase::Header | Phase::Body => &[],
    };
    let server = Server::start_with(arguments);
    let token = server.issue(10_000);
    let client = Client::new(server.redeem, &token);
    let memory = Memory::of(&server);
    let count = Form::of(bounded, long);
    let attack = behaviour(phase, &client, count);
    let_it_take_effect(Form::of(Duration::from_secs(2), Duration::from_secs(15))).await;

    let (each, length) = Form::of((3, Duration::from_secs(2)), (40, Duration::from_secs(30)));
    let experience = clients_come(&client, &token, &at(NEIGHBOUR, &[0, 100, 500]), each, length).await;

    drop(attack);
    let effect = memory.after().await;
    report(&format!("{count} clients that are slow in the phase {phase:?}"), format!("{experience}; {effect}"));
    assert!(experience.is_perfect(), "{experience}");
    effect.assert_bounded();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_say_nothing_leave_others_their_share() {
    slow_clients(Phase::Tcp, 1_000, 4_096).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_slow_with_their_proxy_header_leave_others_their_share() {
    slow_clients(Phase::Proxy, 600, 4_096).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_slow_in_the_handshake_leave_others_their_share() {
    slow_clients(Phase::Tls, 600, 4_096).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_slow_with_their_headers_leave_others_their_share() {
    slow_clients(Phase::Header, 100, 2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_slow_with_their_body_leave_others_their_share() {
    slow_clients(Phase::Body, 100, 2_000).await;
}
