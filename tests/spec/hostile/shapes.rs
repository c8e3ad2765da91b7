//! Requests in shapes that proxies and servers read differently, and other protocols than the one that is spoken here.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{NEIGHBOUR, distance::connect_from};
use crate::{
    server::{PATIENCE, Server},
    wire::Client,
};

/// The statuses of all answers on one connection.
async fn statuses(client: &Client, bytes: &[u8]) -> Vec<u16> {
    let exchange = async {
        let mut stream = client.connect().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    let answer = timeout(PATIENCE, exchange).await.expect("the server closes");
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()).collect()
}

/// A second request that is hidden in the body of the first, or follows it, is never answered; and none of these is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_smuggled_behind_another_is_not_served() {
    let server = Server::start();
    let token = server.issue(100);
    let client = Client::new(server.redeem, &token);
    let path = token.url.rsplit('/').next().unwrap();
    let code = token.code.expose();
    let hidden =
        format!("POST /{path} HTTP/1.1\r\nHost: a\r\nName: east\r\nContent-Length: {}\r\n\r\n{code}", code.len());
    let head = |headers: &str| format!("POST /{path} HTTP/1.1\r\nHost: a\r\nName: east\r\n{headers}\r\n");
    for (what, sent) in [
        ("two lengths", head("Content-Length: 0\r\nContent-Length: 9\r\n") + &hidden),
        ("length and chunks", head("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + &hidden),
        ("chunks, then length", head("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n") + "0\r\n\r\n" + &hidden),
        ("a coding that only looks like chunked", head("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n" + &hidden),
        ("a blank before the colon", head("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n" + &hidden),
        ("a folded header", head("X: a\r\n Content-Length: 9\r\n") + &hidden),
        ("a signed length", head("Content-Length: +5\r\n") + &hidden),
        ("a list of lengths", head("Content-Length: 5, 5\r\n") + &hidden),
        ("a bare line feed", head("X: a\n") + &hidden),
        ("a bare carriage return", head("X: a\rContent-Length: 9\r\n") + &hidden),
        ("a NUL", head("X: \0\r\n") + &hidden),
        (
            "a chunk that is too long for its number",
            head("Transfer-Encoding: chunked\r\n") + "ffffffffffffffffff\r\n" + &hidden,
        ),
        ("a request after an empty body", head("Content-Length: 0\r\nConnection: keep-alive\r\n") + &hidden),
        ("an upgrade", head("Content-Length: 0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n") + &hidden),
    ] {
        let answers = statuses(&client, sent.as_bytes()).await;
        assert!(answers.len() <= 1 && answers.iter().all(|status| *status >= 400), "{what}: {answers:?}");
    }
    assert_eq!(server.ledger(&token).len(), 0);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
}

/// What a server sends for these bytes, without TLS, before it closes.
async fn plain(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect_from(NEIGHBOUR, server.redeem).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let closed = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the server does not close");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_protocol_on_the_redeem_port_is_closed_at_once_and_costs_no_service() {
    let server = Server::start();
    let token = server.issue(1);
    let client = Client::new(server.redeem, &token);
    let http_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let begun = std::time::Instant::now();
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(),
        http_2,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02",
        &[0x80, 0x2e, 1, 3, 1],
    ] {
        let answer = plain(&server, bytes).await;
        assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "closed at a deadline, not at once: {:?}", begun.elapsed());

    // HTTP/2 within TLS, without having been negotiated.
    assert!(statuses(&client, http_2).await.iter().all(|status| *status >= 400));
    assert_eq!(server.ledger(&token).len(), 0);
    assert_eq!(client.redeem(&token, "east").await.unwrap().status, 200);
}
