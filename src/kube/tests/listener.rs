//! The listener on the Unix socket: a real socket, and curl.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener as StdListener,
    },
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::Command,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use super::world::{GRANTS, Scratch, World, grant};
use crate::{
    kube::{AdminListenerError, AdminSocketListener},
    net::{Drained, UnixBindError},
};

const DEADLINE: Duration = Duration::from_secs(30);

/// A listener that serves until it is stopped.
struct Running {
    world: World,
    socket: std::path::PathBuf,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

impl Running {
    async fn start() -> Self {
        let world = World::start().await;
        let socket = world.scratch.path().join("admin.sock");
        let listener = AdminSocketListener::bind(&socket).unwrap();
        let (stop, stopped) = oneshot::channel();
        let app = Arc::clone(&world.app);
        let serving = tokio::spawn(listener.serve(app, async {
            let _ = stopped.await;
        }));
        Self { world, socket, stop, serving }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).await.unwrap()
    }

    /// A connection that the listener has accepted, as the beginning of an answer proves.
    async fn accepted(&self) -> UnixStream {
        self.answered("/version").await
    }

    /// A connection on which the answer to a GET of this path has begun.
    async fn answered(&self, path: &str) -> UnixStream {
        let mut stream = self.connect().await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut first = [0; 12];
        timeout(DEADLINE, stream.read_exact(&mut first)).await.unwrap().unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    }

    async fn close(self) -> World {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.serving).await.unwrap().unwrap();
        self.world
    }
}

async fn read_all(stream: &mut UnixStream) -> String {
    let mut text = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut text)).await.unwrap().unwrap();
    String::from_utf8(text).unwrap()
}

async fn curl(socket: &Path, arguments: &[&str]) -> String {
    let run = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--unix-socket"])
        .arg(socket)
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let output = timeout(DEADLINE, run).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn curl_can_make_and_read_a_grant() {
    let running = Running::start().await;
    let url = format!("http://localhost{GRANTS}");
    let body = grant("g", json!({})).to_string();

    let made = curl(&running.socket, &["-H", "Content-Type: application/json", "-d", &body, &url]).await;
    let listed = curl(&running.socket, &[&url]).await;
    let empty = curl(&running.socket, &["--include", "http://localhost/openapi/v2"]).await;

    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["status"]["status"], "Ready");
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()["items"][0], made);
    assert!(empty.to_ascii_lowercase().contains("content-length: 0"), "{empty}");
    running.close().await;
}

#[tokio::test]
async fn a_request_without_exactly_one_well_formed_host_is_refused() {
    let running = Running::start().await;
    for (version, hosts, status) in [
        ("1.1", "", "400"),
        ("1.1", "Host: a\r\nHost: a\r\n", "400"),
        ("1.1", "Host: a b\r\n", "400"),
        ("1.1", "Host: user@a\r\n", "400"),
        ("1.1", "Host: a:1\r\n", "200"),
        ("1.0", "", "200"),
    ] {
        let mut stream = running.connect().await;
        let request = format!("GET /version HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_all(&mut stream).await;
        assert_eq!(&answer[9..12], status, "{request} {answer}");
        assert_eq!(answer.contains("\"reason\":\"BadRequest\""), status == "400", "{answer}");
    }
    running.close().await;
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let running = Running::start().await;
    let url = "http://localhost/version";
    let connections =
        curl(&running.socket, &["--output", "/dev/null", "--output", "/dev/null", "-w", "%{num_connects} ", url, url])
            .await;
    assert_eq!(connections, "1 0 ");
    running.close().await;
}

#[tokio::test]
async fn a_client_that_sends_too_much_can_send_it_all_and_then_read_why_it_was_refused() {
    let running = Running::start().await;
    let mut stream = running.connect().await;
    let body = vec![b' '; 2 * 1024 * 1024];
    let head =
        format!("POST {GRANTS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());

    stream.write_all(head.as_bytes()).await.unwrap();
    timeout(DEADLINE, stream.write_all(&body)).await.unwrap().unwrap();

    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 413 "));
    drop(stream);
    running.close().await;
}

#[tokio::test]
async fn only_the_owner_may_open_the_socket() {
    let running = Running::start().await;
    let mode = fs::metadata(&running.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    running.close().await;
}

#[tokio::test]
async fn a_socket_left_by_a_crash_is_replaced() {
    let scratch = Scratch::new();
    let path = scratch.path().join("admin.sock");
    drop(StdListener::bind(&path).unwrap());
    assert!(path.exists());

    let listener = AdminSocketListener::bind(&path).unwrap();

    assert_eq!(listener.path(), path);
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn what_is_not_a_socket_is_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.path().join("admin.sock");
    fs::write(&path, "precious").unwrap();

    assert!(matches!(
        AdminSocketListener::bind(&path),
        Err(AdminListenerError::Socket(UnixBindError::NotASocket { .. }))
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    let link = scratch.path().join("link.sock");
    symlink(&path, &link).unwrap();
    assert!(matches!(
        AdminSocketListener::bind(&link),
        Err(AdminListenerError::Socket(UnixBindError::NotASocket { .. }))
    ));
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_reported_with_what_to_do() {
    let scratch = Scratch::new();
    let longest = 107 - scratch.path().as_os_str().len() - 1;
    assert!(AdminSocketListener::bind(&scratch.path().join("s".repeat(longest))).is_ok());

    let error = AdminSocketListener::bind(&scratch.path().join("s".repeat(longest + 1))).unwrap_err();

    assert!(error.to_string().contains("has 108 bytes") && error.to_string().contains("--data-dir"), "{error}");
}

#[tokio::test]
async fn a_missing_directory_is_reported() {
    let scratch = Scratch::new();
    let error = AdminSocketListener::bind(&scratch.path().join("none/admin.sock")).unwrap_err();
    assert!(matches!(error, AdminListenerError::Socket(UnixBindError::Socket { action: "bind", .. })), "{error:?}");
}

#[tokio::test]
async fn a_request_that_has_begun_is_answered_while_the_listener_closes() {
    let running = Running::start().await;
    let body = grant("g", json!({})).to_string();
    let mut stream = running.connect().await;
    let head = format!(
        "POST {GRANTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body: from here on the request has begun.
    let mut begun = [0; 25];
    timeout(DEADLINE, stream.read_exact(&mut begun)).await.unwrap().unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100 Continue\r\n\r\n");
    let mut idle = running.accepted().await;

    let Running { world, socket, stop, serving } = running;
    stop.send(()).unwrap();
    // An idle connection is closed at once; the answer that was sent on it is complete.
    assert!(read_all(&mut idle).await.ends_with('}'));
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream).await;

    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    timeout(DEADLINE, serving).await.unwrap().unwrap();
    assert!(!socket.exists());
    assert_eq!(world.get(&format!("{GRANTS}/g")).await.status, 200);
}

#[tokio::test]
async fn one_connection_too_many_is_asked_to_retry() {
    let running = Running::start().await;
    let mut held = Vec::new();
    for _ in 0..64 {
        // With an answer that does not end, as an idle connection would make room for another one.
        held.push(running.answered(&format!("{GRANTS}?watch=true")).await);
    }

    let answer = read_all(&mut running.connect().await).await;

    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: 1"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head} {}", body.len());
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["code"], 503);
    drop(held);
    running.close().await;
}
