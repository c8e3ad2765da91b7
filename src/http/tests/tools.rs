//! The redeem listener as curl and openssl see it.

use std::{process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::server::{CODE, PATIENCE, Server};
use crate::link::Bundle;

/// Runs a program to its end; what it printed on standard output, then on standard error.
async fn run(program: &str, arguments: &[&str]) -> (String, String) {
    let child = Command::new(program)
        .args(arguments)
        .env_remove("https_proxy")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("an end in time").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

async fn curl(server: &Server, path: &str, arguments: &[&str]) -> String {
    let ca = server.ca_path();
    let url = format!("https://{}{path}", server.address);
    let fixed = [
        "--silent",
        "--show-error",
        "--include",
        "--noproxy",
        "*",
        "--max-time",
        "20",
        "--cacert",
        ca.to_str().unwrap(),
    ];
    let (answer, errors) = run("curl", &[&fixed, arguments, &[&url]].concat()).await;
    assert_eq!(errors, "", "{answer}");
    answer
}

async fn s_client(server: &Server, arguments: &[&str]) -> (String, String) {
    let ca = server.ca_path();
    let address = server.address.to_string();
    let fixed = ["s_client", "-connect", &address, "-CAfile", ca.to_str().unwrap(), "-verify_return_error"];
    run("openssl", &[&fixed, arguments].concat()).await
}

#[tokio::test]
async fn curl_redeems_a_grant() {
    let server = Server::start().await;
    let grant = server.grant(1).await;

    let answer = curl(&server, &format!("/{}", grant.id), &["-H", "Name: east", "-H", "Subject;", "-d", CODE]).await;

    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(Bundle::read(body.as_bytes()).unwrap().links.len(), 1);
    assert_eq!(server.redemptions(&grant).await[0].subject.as_str(), "east");
}

#[tokio::test]
async fn curl_that_asks_before_it_sends_gets_a_100_continue() {
    let server = Server::start().await;
    let grant = server.grant(1).await;

    let started = std::time::Instant::now();
    let path = format!("/{}", grant.id);
    let answer = curl(&server, &path, &["-H", "Expect: 100-continue", "--expect100-timeout", "15", "-d", CODE]).await;

    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(15), "curl gave up waiting and sent it all the same");
}

#[tokio::test]
async fn curl_reads_the_refusal_of_a_large_upload() {
    let server = Server::start().await;
    let file = server.directory.write("large", &"x".repeat(3_000_000));
    let upload = format!("@{}", file.to_str().unwrap());

    for expect in ["Expect:", "Expect: 100-continue"] {
        let answer = curl(&server, "/", &["-H", expect, "--data-binary", &upload]).await;
        assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{expect} {answer}");
        assert!(answer.ends_with("\r\n\r\nRequest body too large\n"), "{expect} {answer}");
    }
}

#[tokio::test]
async fn openssl_gets_no_further_with_tls_1_2() {
    let server = Server::start().await;

    let (shown, errors) = s_client(&server, &["-tls1_2"]).await;

    assert!(errors.contains("alert protocol version"), "{shown}{errors}");
    assert!(shown.contains("no peer certificate available"), "{shown}");
}

#[tokio::test]
async fn openssl_gets_the_certificate_without_a_server_name() {
    let server = Server::start().await;

    let (shown, errors) = s_client(&server, &["-tls1_3", "-noservername", "-verify_ip", "127.0.0.1"]).await;

    assert!(shown.contains("Verify return code: 0 (ok)"), "{shown}{errors}");
    assert!(shown.contains("New, TLSv1.3"), "{shown}");
    assert!(shown.contains("No ALPN negotiated"), "{shown}");
    assert!(!shown.contains("New Session Ticket"), "{shown}");
}

#[tokio::test]
async fn openssl_is_not_asked_for_a_certificate() {
    let server = Server::start().await;

    let (shown, _) = s_client(&server, &["-tls1_3", "-servername", "anything.example.com"]).await;

    assert!(shown.contains("No client certificate CA names sent"), "{shown}");
}
