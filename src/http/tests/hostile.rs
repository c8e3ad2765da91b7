//! Callers that are slow, many, gone, or talk nonsense.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    server::{Answer, CODE, Outcomes, PATIENCE, Server, post},
    store::Flaw,
};
use crate::http::Limits;

/// Short enough to wait for, long enough for a commit on a busy machine.
const REQUEST_DEADLINE: Duration = Duration::from_millis(600);

/// On Linux every address of 127.0.0.0/8 is one of the loopback interface, and a source of its own.
const ANOTHER_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

async fn connect_from_another_address(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((ANOTHER_ADDRESS, 0))).unwrap();
    socket.connect(server.address).await.unwrap()
}

/// The beginning of a ClientHello, from another address.
async fn halting_handshake(server: &Server) -> TcpStream {
    let mut stream = connect_from_another_address(server).await;
    stream.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    stream
}

fn impatient() -> Limits {
    Limits { request_deadline: REQUEST_DEADLINE, ..Limits::default() }
}

fn too_slow() -> Answer {
    Answer::error("408 Request Timeout", "Request not received in time")
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_closed_at_its_deadline() {
    let limits = Limits { handshake_deadline: Duration::from_millis(300), ..Limits::default() };
    let server = Server::start_with(limits).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut halting = TcpStream::connect(server.address).await.unwrap();
    // The beginning of a ClientHello.
    halting.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();

    for stream in [&mut silent, &mut halting] {
        let mut bytes = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("closed in time");
    }

    server.metric_becomes("grantd_tls_handshakes_total{group=\"none\",outcome=\"timed_out\"}", 2).await;
    server.metric_becomes("grantd_connections{state=\"handshaking\"}", 0).await;
}

#[tokio::test]
async fn a_request_that_does_not_go_on_is_answered_and_closed_at_its_deadline() {
    let server = Server::start_with(impatient()).await;
    let whole = post("/x", "", CODE);
    for sent in [0, 1, 17, 60, whole.len() - CODE.len(), whole.len() - 1] {
        let started = Instant::now();
        assert_eq!(server.send(&whole[..sent]).await, too_slow(), "after {sent} bytes");
        assert!(started.elapsed() >= REQUEST_DEADLINE, "after {sent} bytes");
    }
    assert_eq!(server.metric("grantd_refusals_total{reason=\"too_slow\"}"), 6);
    assert_eq!(server.outcomes(), Outcomes { issued: 0, refused: 6, failed: 0 });
}

#[tokio::test]
async fn one_byte_at_a_time_does_not_move_the_deadline() {
    let server = Server::start_with(impatient()).await;
    let (mut read, mut write) = tokio::io::split(server.connect().await);
    let dripping = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for byte in post("/x", &"a: b\r\n".repeat(20), CODE) {
            ticks.tick().await;
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    });

    assert_eq!(Answer::read(&mut read).await, too_slow());
    timeout(PATIENCE, dripping).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_an_error_and_what_the_store_has_not_begun_is_not_counted() {
    let server = Server::start_with(impatient()).await;
    let grant = server.grant(1).await;
    let gate = Arc::new(Semaphore::new(0));
    server.store.set(Flaw::CommitWaits(gate.clone()));

    assert_eq!(server.redeem(&grant).await, Answer::error("503 Service Unavailable", "Internal error"));

    server.metric_becomes("grantd_redemption_failures_total{reason=\"overdue\"}", 1).await;
    assert_eq!(server.outcomes(), Outcomes { issued: 0, refused: 0, failed: 1 });
    gate.add_permits(1);
    assert_eq!(server.redeem(&grant).await.status(), "HTTP/1.1 200 OK");
    assert_eq!(server.redemptions(&grant).await.len(), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_while_the_store_is_busy_is_not_counted() {
    let server = Server::start().await;
    let grant = server.grant(5).await;
    let gate = Arc::new(Semaphore::new(0));
    server.store.set(Flaw::CommitWaits(gate.clone()));
    for (commits, way) in [(1, Departure::Reset), (2, Departure::CloseNotify), (3, Departure::End)] {
        let mut tls = server.connect().await;
        tls.write_all(&post(&format!("/{}", grant.id), "", CODE)).await.unwrap();
        tls.flush().await.unwrap();
        server.commits_begun(commits).await;

        way.take(tls).await;

        server.metric_becomes("grantd_refusals_total{reason=\"hung_up\"}", commits.into()).await;
        server.metric_becomes("grantd_connections{state=\"open\"}", 0).await;
    }
    gate.add_permits(10);

    assert_eq!(server.redeem(&grant).await.status(), "HTTP/1.1 200 OK");
    assert_eq!(server.redemptions(&grant).await.len(), 1, "only the client that waited is counted");
    assert_eq!(server.outcomes(), Outcomes { issued: 1, refused: 3, failed: 0 });
}

/// How a client goes away.
#[derive(Debug, Clone, Copy)]
enum Departure {
    /// With a reset.
    Reset,
    /// As Go's client does: an alert, then the end of the stream.
    CloseNotify,
    /// Without a word of TLS.
    End,
}

impl Departure {
    async fn take(self, mut tls: TlsStream<TcpStream>) {
        match self {
            Self::Reset => tls.get_ref().0.set_zero_linger().unwrap(),
            Self::CloseNotify => tls.shutdown().await.unwrap(),
            Self::End => {}
        }
    }
}

#[tokio::test]
async fn beyond_the_limit_of_connections_a_caller_is_closed_out_at_once() {
    let server = Server::start_with(Limits { max_connections: 2, ..Limits::default() }).await;
    let first = server.connect().await;
    let _second = server.connect().await;

    assert!(server.connect_with(server.client_config()).await.is_err());
    assert_eq!(server.metric("grantd_connections_rejected_total{reason=\"connections\"}"), 1);

    drop(first);
    server.metric_becomes("grantd_connections{state=\"open\"}", 1).await;
    let grant = server.grant(1).await;
    assert_eq!(server.until_admitted(&grant).await.status(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn the_handshakes_of_one_address_make_room_for_another_address() {
    let server = Server::start_with(Limits { max_handshakes: 2, ..Limits::default() }).await;
    let grant = server.grant(2).await;
    let mut oldest = halting_handshake(&server).await;
    server.metric_becomes("grantd_connections{state=\"handshaking\"}", 1).await;
    let younger = halting_handshake(&server).await;
    server.metric_becomes("grantd_connections{state=\"handshaking\"}", 2).await;

    assert_eq!(server.redeem(&grant).await.status(), "HTTP/1.1 200 OK");

    let mut nothing = Vec::new();
    let _ = timeout(PATIENCE, oldest.read_to_end(&mut nothing)).await.expect("closed before its deadline");
    assert_eq!(server.metric("grantd_connections_rejected_total{reason=\"handshakes\"}"), 1);
    // There is a permit again, and no other handshake has to make room.
    assert_eq!(server.redeem(&grant).await.status(), "HTTP/1.1 200 OK");
    assert_eq!(server.metric("grantd_connections_rejected_total{reason=\"handshakes\"}"), 1);
    assert_eq!(server.metric("grantd_connections{state=\"handshaking\"}"), 1);
    drop(younger);
    server.metric_becomes("grantd_connections{state=\"handshaking\"}", 0).await;
}

#[tokio::test]
async fn a_connection_that_sends_nothing_takes_part_in_no_handshake() {
    let server = Server::start_with(Limits { max_handshakes: 1, ..Limits::default() }).await;
    let grant = server.grant(1).await;
    let silent = [TcpStream::connect(server.address).await.unwrap(), TcpStream::connect(server.address).await.unwrap()];
    server.metric_becomes("grantd_connections{state=\"waiting\"}", 2).await;

    assert_eq!(server.redeem(&grant).await.status(), "HTTP/1.1 200 OK");

    assert_eq!(server.metric("grantd_connections{state=\"waiting\"}"), 2);
    drop(silent);
    server.metric_becomes("grantd_connections{state=\"waiting\"}", 0).await;
}

#[tokio::test]
async fn connections_that_begin_no_request_make_room_for_another_address_and_one_that_is_redeemed_does_not() {
    let server = Server::start_with(Limits { max_connections: 4, ..Limits::default() }).await;
    let grant = server.grant(2).await;
    let gate = Arc::new(Semaphore::new(0));
    server.store.set(Flaw::CommitWaits(gate.clone()));
    let mut working = server.connect().await;
    working.write_all(&post(&format!("/{}", grant.id), "", CODE)).await.unwrap();
    server.commits_begun(1).await;
    // A complete handshake and half a request.
    let mut idle = server.connect().await;
    idle.write_all(b"POST /").await.unwrap();
    let _idle = server.connect().await;
    let _idle_too = server.connect().await;

    let mut newcomer = connect_from_another_address(&server).await;

    let mut nothing = Vec::new();
    let _ = timeout(PATIENCE, idle.read_to_end(&mut nothing)).await.expect("closed before its deadline");
    gate.add_permits(2);
    assert_eq!(Answer::read(&mut working).await.status(), "HTTP/1.1 200 OK");
    newcomer.write_all(&[0]).await.unwrap();
}

#[tokio::test]
async fn the_time_of_a_request_runs_from_the_acceptance_of_its_connection() {
    let server = Server::start_with(Limits { request_deadline: Duration::from_secs(1), ..Limits::default() }).await;
    let started = Instant::now();
    let stream = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(800)).await;

    let name = ServerName::from(server.address.ip());
    let mut tls = TlsConnector::from(Arc::new(server.client_config())).connect(name, stream).await.unwrap();
    assert_eq!(Answer::read(&mut tls).await, too_slow());

    assert!(started.elapsed() < Duration::from_millis(1600), "{:?}", started.elapsed());
}

#[tokio::test]
async fn work_whose_client_has_gone_gives_its_place_back() {
    let server = Server::start_with(Limits { max_connections: 1, ..Limits::default() }).await;
    let grant = server.grant(2).await;
    let gate = Arc::new(Semaphore::new(0));
    server.store.set(Flaw::CommitWaits(gate.clone()));
    let mut tls = server.connect().await;
    tls.write_all(&post(&format!("/{}", grant.id), "", CODE)).await.unwrap();
    server.commits_begun(1).await;
    assert!(server.connect_with(server.client_config()).await.is_err());

    drop(tls);

    server.metric_becomes("grantd_refusals_total{reason=\"hung_up\"}", 1).await;
    gate.add_permits(2);
    assert_eq!(server.until_admitted(&grant).await.status(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn of_many_concurrent_redemptions_exactly_the_allowed_number_succeed() {
    let server = Server::start().await;
    let grant = server.grant(7).await;

    let mut statuses = Vec::new();
    let all: Vec<_> = (0..40).map(|_| server.redeem(&grant)).collect();
    for answer in join_all(all).await {
        statuses.push(answer.status().to_owned());
    }

    assert_eq!(statuses.iter().filter(|status| *status == "HTTP/1.1 200 OK").count(), 7);
    assert_eq!(statuses.iter().filter(|status| *status == "HTTP/1.1 404 Not Found").count(), 33);
    assert_eq!(server.redemptions(&grant).await.len(), 7);
}

/// Runs all of them at once, in one task.
async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<_> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in futures.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[test]
fn no_bytes_inside_tls_panic_and_every_connection_ends_in_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = Limits { request_deadline: Duration::from_millis(100), ..Limits::default() };
    let server = runtime.block_on(Server::start_with(limits));
    let piece = prop_oneof![
        Just(b"POST /87426fa9-5623-49af-a612-47d33b7a4200 HTTP/1.1\r\n".to_vec()),
        Just(b"Content-Length: 5\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Expect: 100-continue\r\nName: \xff\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"5\r\nabcde\r\n0\r\n\r\n".to_vec()),
        Just(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..64),
    ];
    let config = ProptestConfig { cases: 48, ..ProptestConfig::default() };
    proptest!(config, |(bytes in proptest::collection::vec(piece, 0..8))| {
        let bytes = bytes.concat();
        runtime.block_on(async {
            let mut tls = server.connect().await;
            let _ = tls.write_all(&bytes).await;
            let mut answer = Vec::new();
            timeout(Duration::from_secs(10), tls.read_to_end(&mut answer)).await.expect("an end in time").unwrap();
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{answer:?}");
        });
    });
    assert_eq!(server.metric("grantd_redemptions_total{outcome=\"failed\"}"), 0);
}

#[test]
fn no_bytes_before_tls_panic_and_every_connection_ends_in_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = Limits { handshake_deadline: Duration::from_millis(100), ..Limits::default() };
    let server = runtime.block_on(Server::start_with(limits));
    let config = ProptestConfig { cases: 48, ..ProptestConfig::default() };
    proptest!(config, |(bytes in proptest::collection::vec(any::<u8>(), 0..200), hello in any::<bool>())| {
        let bytes = if hello { [&[22, 3, 1, 0, 100, 1, 0, 0, 96], bytes.as_slice()].concat() } else { bytes };
        runtime.block_on(async {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let _ = stream.write_all(&bytes).await;
            // A reset is an end as well.
            let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut Vec::new())).await.expect("an end in time");
        });
    });
}
