//! The observe listener from outside.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use super::{
    server::{Answer, Directory, PATIENCE, site, test_app},
    store::{Flaw, FlawedStore},
};
use crate::{
    app::{App, BackgroundTask},
    http::ObserveListener,
    net::Drained,
    time::Clock,
};

struct Observed {
    app: Arc<App>,
    store: Arc<FlawedStore>,
    address: SocketAddr,
    _directory: Directory,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

impl Observed {
    async fn start() -> Self {
        let directory = Directory::new();
        let clock = Clock::fixed(Clock::system().now());
        let (app, store) = test_app(&directory, &clock).await;
        let listener = ObserveListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr();
        let (shutdown, stop) = oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve(Arc::clone(&app), async {
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

/// Of the three sites two cannot issue, and the third is ready.
const READY: &str = "[+]server ok\n[+]store ok\n[+]clock ok\n[+]issuers ok\n[+]sites ok, except site site of namespace bare: No valid \
    endpoints found for site; site site of namespace rim: Edge sites cannot accept incoming links from remote sites\n\
    [+]serving-certificate ok\n[+]public-url ok\n";

#[tokio::test]
async fn metrics_are_in_prometheus_text_format() {
    let observed = Observed::start().await;

    let answer = observed.ask("GET", "/metrics").await;

    assert_eq!(answer.status(), "HTTP/1.1 200 OK");
    assert!(answer.head.contains(&"Content-Type: text/plain; version=0.0.4".to_owned()), "{:?}", answer.head);
    assert!(answer.body.contains("grantd_redemptions_total{outcome=\"issued\"} 0\n"), "{}", answer.body);
}

#[tokio::test]
async fn the_server_is_alive_from_the_start_and_ready_when_its_listeners_serve() {
    let observed = Observed::start().await;
    let live = observed.ask("GET", "/livez").await;
    assert_eq!((live.status(), live.body.as_str()), ("HTTP/1.1 200 OK", "ok"));

    let starting = observed.ask("GET", "/readyz").await;
    assert_eq!(starting.status(), "HTTP/1.1 503 Service Unavailable");
    assert_eq!(starting.body, READY.replace("[+]server ok", "[-]server failed: starting"));
}

#[tokio::test]
async fn a_server_that_has_lost_a_task_is_not_alive_and_says_which() {
    let observed = Observed::start().await;
    let app = Arc::clone(&observed.app);
    let sweep = async { panic!("the test wants this panic") };
    let task: JoinHandle<()> = tokio::spawn(async move { app.supervised(BackgroundTask::Sweep, sweep).await });
    assert!(task.await.is_err_and(|error| error.is_panic()));

    let live = observed.ask("GET", "/livez").await;

    let answer = (live.status(), live.body.as_str());
    assert_eq!(answer, ("HTTP/1.1 503 Service Unavailable", "[-]sweep failed: it panicked\n"));
}

#[tokio::test]
async fn every_check_has_a_line_of_its_own() {
    let observed = Observed::start().await;
    observed.app.started();
    let ready = observed.ask("GET", "/readyz").await;
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
async fn a_server_whose_only_site_cannot_issue_is_not_ready_and_says_why() {
    let observed = Observed::start().await;
    observed.app.started();
    let clock = observed.app.clock().clone();

    observed.app.replace_sites(vec![site("bare", false, &[], &clock)]).await.unwrap();

    let answer = observed.ask("GET", "/readyz").await;
    assert_eq!(answer.status(), "HTTP/1.1 503 Service Unavailable");
    let line = "[-]sites failed: site site of namespace bare: No valid endpoints found for site\n";
    assert!(answer.body.contains(line), "{}", answer.body);
}

#[tokio::test]
async fn every_issuer_that_cannot_sign_is_named() {
    let observed = Observed::start().await;
    observed.app.started();
    let now = observed.app.clock().now();
    let century = Duration::from_secs(100 * 365 * 24 * 3600);
    observed.app.clock().set(now.saturating_add(century));

    let answer = observed.ask("GET", "/readyz").await;

    assert_eq!(answer.status(), "HTTP/1.1 503 Service Unavailable");
    for namespace in ["west", "rim", "bare"] {
        assert!(answer.body.contains(&format!("issuer site-ca of namespace {namespace}: ")), "{}", answer.body);
    }
}

#[tokio::test]
async fn however_many_probes_come_the_disk_is_written_to_once_a_second() {
    let observed = Observed::start().await;
    observed.app.started();
    let started = std::time::Instant::now();

    for _ in 0..50 {
        assert_eq!(observed.ask("GET", "/readyz").await.status(), "HTTP/1.1 200 OK");
    }

    let seconds = u32::try_from(started.elapsed().as_secs()).unwrap();
    assert!(observed.store.checks.load(Ordering::SeqCst) <= seconds + 1);
}

#[tokio::test]
async fn a_stopping_server_is_not_ready_at_once() {
    let observed = Observed::start().await;
    observed.app.started();
    assert_eq!(observed.ask("GET", "/readyz").await.status(), "HTTP/1.1 200 OK");

    observed.app.draining();

    let answer = observed.ask("GET", "/readyz").await;
    assert_eq!(answer.status(), "HTTP/1.1 503 Service Unavailable");
    assert!(answer.body.starts_with("[-]server failed: stopping\n"), "{}", answer.body);
}

#[tokio::test]
async fn there_is_nothing_else_and_nothing_to_change() {
    let observed = Observed::start().await;
    for path in ["/", "/metrics/", "/readyz/x", "/87426fa9-5623-49af-a612-47d33b7a4200", "/debug"] {
        assert_eq!(observed.ask("GET", path).await.status(), "HTTP/1.1 404 Not Found", "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let answer = observed.ask(method, "/metrics").await;
        assert_eq!(answer.status(), "HTTP/1.1 405 Method Not Allowed", "{method}");
        assert!(answer.head.contains(&"Allow: GET, HEAD".to_owned()), "{:?}", answer.head);
    }
    let head = observed.ask("HEAD", "/livez").await;
    assert_eq!((head.status(), head.body.as_str()), ("HTTP/1.1 200 OK", ""));
    assert!(head.head.contains(&"Content-Length: 2".to_owned()), "{:?}", head.head);
}

#[tokio::test]
async fn clients_beyond_the_limit_are_closed_at_once_and_the_listener_closes_when_asked_to() {
    let observed = Observed::start().await;
    let mut held = Vec::new();
    for _ in 0..129 {
        held.push(TcpStream::connect(observed.address).await.unwrap());
    }
    // The oldest, or the newest if it has not had its time yet.
    let closed = async {
        tokio::select! { () = closed(held.pop().unwrap()) => {}, () = closed(held.remove(0)) => {} }
    };
    timeout(Duration::from_secs(4), closed).await.expect("one is closed before any deadline");

    observed.shutdown.send(()).unwrap();

    timeout(PATIENCE, observed.serving).await.expect("the listener closes in time").unwrap();
    assert!(TcpStream::connect(observed.address).await.is_err());
}

async fn closed(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    assert_eq!(bytes, b"");
}

#[tokio::test]
async fn silent_clients_keep_a_probe_out_neither_from_another_address_nor_for_long_from_their_own() {
    let observed = Observed::start().await;
    let mut silent = Vec::new();
    for _ in 0..500 {
        silent.push(TcpStream::connect(observed.address).await.unwrap());
    }

    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let other = socket.connect(observed.address).await.unwrap();
    assert_eq!(probed(other).await.as_deref(), Some("HTTP/1.1 200 OK"));

    let own = async {
        loop {
            let probe = TcpStream::connect(observed.address).await.unwrap();
            if probed(probe).await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(1), own).await.expect("a probe is answered in the time that a kubelet waits");
}

/// The status line of a probe's answer, or `None` when the connection was closed without one.
async fn probed(mut stream: TcpStream) -> Option<String> {
    let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer.lines().next().map(str::to_owned)
}
