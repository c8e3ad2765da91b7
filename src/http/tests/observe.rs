//! The observe door from outside.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, net::TcpStream, sync::oneshot, task::JoinHandle, time::timeout};

use super::{
    server::{Answer, Directory, PATIENCE, test_app},
    store::{Flaw, FlawedStore},
};
use crate::{app::App, http::ObserveDoor, time::Clock};

struct Observed {
    app: Arc<App>,
    store: Arc<FlawedStore>,
    address: SocketAddr,
    _directory: Directory,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Observed {
    async fn start() -> Self {
        let directory = Directory::new();
        let clock = Clock::fixed(Clock::system().now());
        let (app, store) = test_app(&directory, &clock).await;
        let door = ObserveDoor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = door.local_addr();
        let (shutdown, stop) = oneshot::channel::<()>();
        let serving = tokio::spawn(door.serve(Arc::clone(&app), async {
            let _ = stop.await;
        }));
        Self { app, store, address, _directory: directory, shutdown, serving }
    }

    async fn ask(&self, method: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    }
}

const READY: &str = "[+]server ok\n[+]store ok\n[+]issuers ok\n[+]serving-certificate ok\n[+]public-url ok\n";

#[tokio::test]
async fn metrics_are_in_prometheus_text_format() {
    let door = Observed::start().await;

    let answer = door.ask("GET", "/metrics").await;

    assert_eq!(answer.status(), "HTTP/1.1 200 OK");
    assert!(answer.head.contains(&"Content-Type: text/plain; version=0.0.4".to_owned()), "{:?}", answer.head);
    assert!(answer.body.contains("grantd_redemptions_total{outcome=\"issued\"} 0\n"), "{}", answer.body);
}

#[tokio::test]
async fn the_server_is_alive_from_the_start_and_ready_when_its_doors_are_open() {
    let door = Observed::start().await;
    let live = door.ask("GET", "/livez").await;
    assert_eq!((live.status(), live.body.as_str()), ("HTTP/1.1 200 OK", "ok"));

    let starting = door.ask("GET", "/readyz").await;
    assert_eq!(starting.status(), "HTTP/1.1 503 Service Unavailable");
    assert_eq!(starting.body, READY.replace("[+]server ok", "[-]server failed: starting"));
}

#[tokio::test]
async fn every_check_stands_on_its_line() {
    let door = Observed::start().await;
    door.app.started();
    let ready = door.ask("GET", "/readyz").await;
    assert_eq!((ready.status(), ready.body.as_str()), ("HTTP/1.1 200 OK", READY));

    let broken = Observed::start().await;
    broken.app.started();
    broken.store.set(Flaw::CommitUnavailable);
    let answer = broken.ask("GET", "/readyz").await;
    assert_eq!(answer.status(), "HTTP/1.1 503 Service Unavailable");
    let lines: Vec<_> = answer.body.lines().collect();
    assert!(lines[1].starts_with("[-]store failed: the grant store did not answer"), "{lines:?}");
}

#[tokio::test]
async fn however_many_probes_come_the_disk_is_written_to_once_a_second() {
    let door = Observed::start().await;
    door.app.started();
    let started = std::time::Instant::now();

    for _ in 0..50 {
        assert_eq!(door.ask("GET", "/readyz").await.status(), "HTTP/1.1 200 OK");
    }

    let seconds = u32::try_from(started.elapsed().as_secs()).unwrap();
    assert!(door.store.checks.load(Ordering::SeqCst) <= seconds + 1);
}

#[tokio::test]
async fn a_stopping_server_is_not_ready_at_once() {
    let door = Observed::start().await;
    door.app.started();
    assert_eq!(door.ask("GET", "/readyz").await.status(), "HTTP/1.1 200 OK");

    door.app.draining();

    let answer = door.ask("GET", "/readyz").await;
    assert_eq!(answer.status(), "HTTP/1.1 503 Service Unavailable");
    assert!(answer.body.starts_with("[-]server failed: stopping\n"), "{}", answer.body);
}

#[tokio::test]
async fn there_is_nothing_else_and_nothing_to_change() {
    let door = Observed::start().await;
    for path in ["/", "/metrics/", "/readyz/x", "/87426fa9-5623-49af-a612-47d33b7a4200", "/debug"] {
        assert_eq!(door.ask("GET", path).await.status(), "HTTP/1.1 404 Not Found", "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let answer = door.ask(method, "/metrics").await;
        assert_eq!(answer.status(), "HTTP/1.1 405 Method Not Allowed", "{method}");
        assert!(answer.head.contains(&"Allow: GET, HEAD".to_owned()), "{:?}", answer.head);
    }
    let head = door.ask("HEAD", "/livez").await;
    assert_eq!((head.status(), head.body.as_str()), ("HTTP/1.1 200 OK", ""));
    assert!(head.head.contains(&"Content-Length: 2".to_owned()), "{:?}", head.head);
}

#[tokio::test]
async fn callers_beyond_the_limit_are_closed_out_and_the_door_closes_when_told() {
    let door = Observed::start().await;
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(TcpStream::connect(door.address).await.unwrap());
    }
    let mut beyond = TcpStream::connect(door.address).await.unwrap();
    let mut bytes = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut beyond, &mut bytes);
    let _ = timeout(Duration::from_secs(4), closed).await.expect("closed before any deadline of the others");
    assert_eq!(bytes, b"");

    door.shutdown.send(()).unwrap();

    timeout(PATIENCE, door.serving).await.expect("the door closes in time").unwrap();
    assert!(TcpStream::connect(door.address).await.is_err());
}
