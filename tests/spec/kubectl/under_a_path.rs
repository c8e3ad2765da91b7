//! Pitfall 26: a reverse proxy shows the API under a path prefix.

use std::path::PathBuf;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    net::{TcpListener, TcpStream, UnixStream},
    time::timeout,
};

use super::{Kubectl, MANIFEST, versions};
use crate::server::PATIENCE;

const PREFIX: &str = "/grantd";

/// Takes connections for the socket until aborted.
async fn front_end(listener: TcpListener, socket: PathBuf) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = UnixStream::connect(&socket).await.unwrap();
        tokio::spawn(pass(client, server));
    }
}

/// Takes the prefix off each request. kubectl sends the head of one at once, and the next after the answer.
async fn pass(client: TcpStream, server: UnixStream) {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(1..) = from_client.read(&mut chunk).await.inspect(|length| chunk.truncate(*length)) {
        let line = chunk.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let target = String::from_utf8_lossy(line).find(&format!(" {PREFIX}/"));
        if let Some(at) = target.filter(|_| line.ends_with(b" HTTP/1.1\r")) {
            chunk.drain(at + 1..=at + PREFIX.len());
        }
        if to_server.write_all(&chunk).await.is_err() {
            break;
        }
        chunk.resize(64 * 1024, 0);
    }
    answers.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pitfall_26_the_api_may_be_shown_under_a_path() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        kubectl.write("grant.yaml", MANIFEST);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = format!("--server=http://{}{PREFIX}", listener.local_addr().unwrap());
        let forwarding = tokio::spawn(front_end(listener, kubectl.server.data_dir.join("admin.sock")));

        for (arguments, expected) in [
            (&["apply", "-f", "grant.yaml"][..], "accessgrant.skupper.io/west created\n"),
            (&["get", "gr", "-o", "name"], "accessgrant.skupper.io/west\n"),
            (&["wait", "gr/west", "--for=condition=Ready"], "accessgrant.skupper.io/west condition met\n"),
            (&["explain", "gr.spec.expirationWindow"], "15m0s."),
            (&["auth", "can-i", "create", "gr"], "yes\n"),
            (&["delete", "gr", "west"], "accessgrant.skupper.io \"west\" deleted"),
        ] {
            let output =
                timeout(PATIENCE, kubectl.bare().arg(&server).args(arguments).output()).await.unwrap().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && printed.contains(expected), "{arguments:?}: {output:?}");
        }
        assert_eq!(kubectl.says(&["get", "gr", "-o", "name"]).await, "");
        forwarding.abort();
    }
}
