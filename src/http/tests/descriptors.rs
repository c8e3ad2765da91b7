//! A server that runs out of file descriptors. It needs a process of its own: the limit holds for all of one.

use std::{io::Read, process::Stdio, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore, pki_types::pem::PemObject};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
    task::spawn_blocking,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::server::{PATIENCE, Server};
use crate::http::Limits;

const MARK: &str = "the door is open at ";

/// The server's side of the test below, which runs it under `ulimit -n`.
#[tokio::test]
#[ignore = "is run by the test below, with few descriptors"]
async fn server_with_few_descriptors() {
    let limits = Limits { handshake_deadline: Duration::from_secs(2), ..Limits::default() };
    let server = Server::start_with(limits).await;
    println!("\n{MARK}{} {}", server.address, server.ca_path().display());

    // The other side closes this when it has seen enough.
    let _ = spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap();

    let failures = server.metric("grantd_connections_rejected_total{reason=\"descriptors\"}");
    assert!((1..500).contains(&failures), "{failures} failed attempts");
}

#[tokio::test]
async fn without_descriptors_the_door_pauses_and_then_goes_on() {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(program)
        .args(["--exact", "http::tests::descriptors::server_with_few_descriptors", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let opened = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("a line that tells the address");
            if let Some(place) = line.strip_prefix(MARK) {
                return place.to_owned();
            }
        }
    };
    let place = timeout(PATIENCE, opened).await.unwrap();
    let (address, ca) = place.split_once(' ').unwrap();

    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(TcpStream::connect(address).await.unwrap());
    }
    // The server is at its limit once the first of the crowd is closed by the handshake deadline.
    let mut nothing = Vec::new();
    let _ = timeout(PATIENCE, crowd[0].read_to_end(&mut nothing)).await.expect("closed by the handshake deadline");
    drop(crowd);

    let mut roots = RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let config = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(config);
    let mut tls = timeout(Duration::from_secs(10), connector.connect(stream.peer_addr().unwrap().ip().into(), stream))
        .await
        .expect("a handshake in time")
        .unwrap();
    tls.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, tls.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 405 "), "{}", String::from_utf8_lossy(&answer));

    drop(child.stdin.take());
    while timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().is_some() {}
    assert!(timeout(PATIENCE, child.wait()).await.unwrap().unwrap().success());
}
