//! Behind a load balancer that speaks the PROXY protocol: the client that its header names is in the ledger and in the log.

use std::{
    io,
    net::IpAddr,
    time::{Duration, Instant},
};

use grantd::link::AccessToken;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    server::{PATIENCE, Server, wait_until},
    wire::{Answer, Client, request},
};

const BEHIND: &[&str] = &["--proxy-protocol-from", "127.0.0.1/32,2001:db8::/32"];
/// A load balancer sends its header at once, and has three seconds for it.
const HEADER_DEADLINE: Duration = Duration::from_secs(3);

/// The binary form, for a client at this IPv4 address, with an extension.
fn version_2(client: [u8; 4]) -> Vec<u8> {
    let extension = [4, 0, 3, 1, 2, 3];
    let addresses = [&client[..], &[127, 0, 0, 1], &[0x9c, 0x40, 0x23, 0x82], &extension].concat();
    let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], &length, &addresses].concat()
}

/// Redeems on a connection that begins with these bytes.
async fn redeem_after(server: &Server, token: &AccessToken, header: &[u8], name: &str) -> io::Result<Option<Answer>> {
    let mut stream = TcpStream::connect(server.redeem).await?;
    stream.write_all(header).await?;
    let client = Client::new(server.redeem, token);
    let attempt = client.exchange_on(stream, request(token, name, ""));
    timeout(PATIENCE, attempt).await.expect("an end in time")
}

fn rejected(server: &Server) -> u64 {
    let (_, text) = server.observe("/metrics");
    let line = "grantd_connections_rejected_total{reason=\"proxy_header\"} ";
    text.lines().find_map(|l| l.strip_prefix(line)).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_and_the_log_have_the_client_that_the_header_names() {
    let server = Server::start_with(BEHIND);
    let token = server.issue(9);

    for (name, header, peer) in [
        ("line", b"PROXY TCP4 203.0.113.9 127.0.0.1 40000 9090\r\n".to_vec(), "203.0.113.9"),
        ("line-6", b"PROXY TCP6 2001:db8:1::9 ::1 40000 9090\r\n".to_vec(), "2001:db8:1::9"),
        ("binary", version_2([203, 0, 113, 8]), "203.0.113.8"),
        // A health check, and one for whom there is no address: the load balancer's own.
        ("local", b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00".to_vec(), "127.0.0.1"),
        ("unknown", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ] {
        let answer = redeem_after(&server, &token, &header, name).await.unwrap().expect("an answer");
        assert_eq!(answer.status, 200, "{name}");
        let row = server.ledger(&token).pop().unwrap();
        assert_eq!((row["name"].as_str(), row["peer"].as_str()), (Some(name), Some(peer)));
        wait_until("the log has the client", || server.log().contains(&format!(r#""peer":"{peer}""#)));
    }

    let wrong = String::from_utf8(request(&token, "east", "")).unwrap().replace("POST", "GET");
    let mut stream = TcpStream::connect(server.redeem).await.unwrap();
    stream.write_all(b"PROXY TCP4 203.0.113.77 127.0.0.1 40000 9090\r\n").await.unwrap();
    let answer = Client::new(server.redeem, &token).exchange_on(stream, wrong.into_bytes()).await.unwrap().unwrap();
    assert_eq!(answer.status, 405);
    wait_until("the refusal has the client", || server.log().contains(r#""peer":"203.0.113.77""#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_a_load_balancer_without_a_proper_header_is_closed() {
    let server = Server::start_with(BEHIND);
    let token = server.issue(9);
    let too_long = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x02\x09"[..], &[0; 521]].concat();

    for (header, what) in [
        (&b""[..], "none"),
        (b"PROXY TCP4 203.0.113.9 127.0.0.1 40000\r\n", "no port"),
        (b"PROXY UDP4 203.0.113.9 127.0.0.1 40000 9090\r\n", "another protocol"),
        (&too_long, "longer than 536 bytes"),
        (&[&b"PROXY UNKNOWN "[..], &[b'x'; 100], b"\r\n"].concat(), "a long line"),
    ] {
        let before = rejected(&server);
        let outcome = redeem_after(&server, &token, header, "east").await;
        assert!(!matches!(outcome, Ok(Some(_))), "{what}: {outcome:?}");
        wait_until("the connection is counted", || rejected(&server) == before + 1);
    }
    assert_eq!(server.ledger(&token).len(), 0);
    assert!(server.log().contains("--proxy-protocol-from"), "the operator finds the reason in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_does_not_come_in_time_costs_the_connection() {
    let server = Server::start_with(BEHIND);
    let begun = Instant::now();
    let mut slow = TcpStream::connect(server.redeem).await.unwrap();
    let mut silent = TcpStream::connect(server.redeem).await.unwrap();
    slow.write_all(b"PROXY TCP4 203.0.113.9 127.0.0.1 4").await.unwrap();

    for stream in [&mut slow, &mut silent] {
        let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("closed in time");
    }

    assert!(begun.elapsed() >= HEADER_DEADLINE, "{:?}", begun.elapsed());
    assert!(begun.elapsed() < HEADER_DEADLINE + Duration::from_millis(1900), "{:?}", begun.elapsed());
    wait_until("both are counted", || rejected(&server) == 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_from_anybody_else_is_refused_and_who_sends_none_is_served() {
    let server = Server::start_with(&["--proxy-protocol-from", "192.0.2.0/24"]);
    let token = server.issue(9);

    let header = b"PROXY TCP4 192.0.2.1 127.0.0.1 40000 9090\r\n";
    let spoofed = redeem_after(&server, &token, header, "east").await;
    let direct = redeem_after(&server, &token, b"", "east").await.unwrap().expect("an answer");

    assert!(!matches!(spoofed, Ok(Some(_))), "{spoofed:?}");
    assert_eq!(direct.status, 200);
    let ledger = server.ledger(&token);
    assert_eq!(ledger.len(), 1);
    assert_eq!(ledger[0]["peer"].as_str().map(str::parse::<IpAddr>), Some(Ok(server.redeem.ip())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_one_address_counts_for_the_client_that_the_header_names() {
    let server = Server::start_with(&[BEHIND, &["--max-connections-per-peer", "1"]].concat());
    let token = server.issue(9);
    let header = |client| version_2([203, 0, 113, client]);
    // Two without a header yet, and one whose client is known.
    let _unknown = [TcpStream::connect(server.redeem).await.unwrap(), TcpStream::connect(server.redeem).await.unwrap()];
    let mut known = TcpStream::connect(server.redeem).await.unwrap();
    known.write_all(&header(1)).await.unwrap();

    let other = redeem_after(&server, &token, &header(2), "east").await.unwrap().expect("an answer");
    // The first one may be read later than this one: then it is the one that is refused.
    let same = redeem_after(&server, &token, &header(1), "east").await;

    assert_eq!(other.status, 200);
    let refused = || server.observe("/metrics").1.contains("grantd_connections_rejected_total{reason=\"peer\"} 1");
    wait_until("one of two of the same client is refused", refused);
    assert!(server.ledger(&token).len() <= 2, "{same:?}");
}
