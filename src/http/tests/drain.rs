//! How the listener closes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use super::{
    server::{Answer, CODE, PATIENCE, Server, post},
    store::Flaw,
};
use crate::{http::Limits, net::Drained};

#[tokio::test]
async fn a_request_in_flight_is_answered_and_new_connections_are_refused() {
    let mut server = Server::start().await;
    let grant = server.grant(1).await;
    let gate = Arc::new(Semaphore::new(0));
    server.store.set(Flaw::CommitWaits(gate.clone()));
    let mut tls = server.connect().await;
    tls.write_all(&post(&format!("/{}", grant.id), "", CODE)).await.unwrap();
    server.commits_begun(1).await;

    server.begin_shutdown();
    server.refuses_connections().await;
    gate.add_permits(1);

    assert_eq!(Answer::read(&mut tls).await.status(), "HTTP/1.1 200 OK");
    assert_eq!(server.drained().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_request_that_comes_right_after_the_signal_is_still_answered() {
    let mut server = Server::start().await;
    let grant = server.grant(1).await;
    let mut tls = server.connect().await;

    server.begin_shutdown();
    server.refuses_connections().await;
    tls.write_all(&post(&format!("/{}", grant.id), "", CODE)).await.unwrap();

    assert_eq!(Answer::read(&mut tls).await.status(), "HTTP/1.1 200 OK");
    assert_eq!(server.drained().await, Drained { cut: 0 });
}

#[tokio::test]
async fn idle_connections_and_unfinished_handshakes_do_not_hold_up_the_end() {
    let mut server = Server::start().await;
    let mut idle = server.connect().await;
    server.metric_becomes("grantd_connections{state=\"open\"}", 1).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    server.metric_becomes("grantd_connections{state=\"waiting\"}", 1).await;
    let app = Arc::clone(&server.app);
    let started = Instant::now();

    server.begin_shutdown();

    let mut bytes = Vec::new();
    timeout(PATIENCE, idle.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let _ = timeout(PATIENCE, silent.read_to_end(&mut bytes)).await.unwrap();
    drop((idle, silent));
    assert_eq!(server.drained().await, Drained { cut: 0 });
    assert_eq!(bytes, b"", "nothing is sent to a client that sent nothing");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(app.metrics().render().contains("grantd_connections_rejected_total{reason=\"draining\"} 1"));
}

#[tokio::test]
async fn work_whose_client_has_gone_is_not_waited_for() {
    let mut server = Server::start().await;
    let grant = server.grant(1).await;
    server.store.set(Flaw::CommitWaits(Arc::new(Semaphore::new(0))));
    let mut tls = server.connect().await;
    tls.write_all(&post(&format!("/{}", grant.id), "", CODE)).await.unwrap();
    server.commits_begun(1).await;
    drop(tls);
    let app = Arc::clone(&server.app);

    server.begin_shutdown();

    assert_eq!(server.drained().await, Drained { cut: 0 });
    assert_eq!(app.redemptions(grant.id, 0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_not_done_at_the_drain_deadline_is_cut_and_reported() {
    let limits = Limits { drain_deadline: Duration::from_millis(200), ..Limits::default() };
    let mut server = Server::start_with(limits).await;
    let grant = server.grant(1).await;
    server.store.set(Flaw::CommitWaits(Arc::new(Semaphore::new(0))));
    let mut tls = server.connect().await;
    tls.write_all(&post(&format!("/{}", grant.id), "", CODE)).await.unwrap();
    server.commits_begun(1).await;

    server.begin_shutdown();

    assert_eq!(server.drained().await, Drained { cut: 1 });
}
