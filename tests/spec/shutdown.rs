//! A server that gets a signal to stop finishes the requests in progress.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{server::Server, wire};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sigterm_requests_in_flight_are_answered_and_new_ones_are_not() {
    let mut server = Server::start();
    let token = server.issue(1_000);
    let client = wire::Client::new(server.redeem, &token);
    let request = wire::request(&token, "east", "");
    let (almost, last) = request.split_at(request.len() - 1);
    let mut in_flight = Vec::new();
    for _ in 0..20 {
        let mut stream = client.connect().await.unwrap();
        stream.write_all(almost).await.unwrap();
        stream.flush().await.unwrap();
        in_flight.push(stream);
    }
    // An answer shows that the server has read what came before it.
    assert_eq!(client.redeem(&token, "before").await.unwrap().status, 200);

    server.signal("TERM");
    let stopped_accepting = async {
        while client.connect().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), stopped_accepting).await.expect("new connections are still served");

    for mut stream in in_flight {
        stream.write_all(last).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    let started = Instant::now();
    let status = server.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(started.elapsed() < Duration::from_secs(25), "longer than the drain time");
    let server = server.kill_and_restart();
    assert_eq!(server.grant(&token)["status"]["redemptions"], 21);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    // A connection that never says anything would hold the drain for the whole of this.
    let server = Server::start_with(&["--handshake-deadline", "20s"]);
    let held = std::net::TcpStream::connect(server.redeem).unwrap();
    let mut server = server;
    server.signal("TERM");
    server.signal("INT");
    let started = Instant::now();
    server.wait_for_exit();
    assert!(started.elapsed() < Duration::from_secs(10));
    drop(held);
}
