//! Users of one namespace against the memory of all.

use std::time::Duration;

use tokio::{io::AsyncReadExt, net::TcpStream, task::JoinSet, time::timeout};
use tokio_rustls::client::TlsStream;

use super::{
    ATTACKER, Form, NEIGHBOUR,
    admin::{Caller, listening, request},
    alone, is_alive,
    memory::Memory,
    report,
};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const MEBIBYTE: usize = 1024 * 1024;

/// Bodies of at most this many bytes that become as large as they can in memory.
fn bodies(bytes: usize) -> [(&'static str, String); 3] {
    let filled = |head: &str, element: &str, tail: &str| {
        let count = (bytes - head.len() - tail.len()) / element.len();
        let list = element.repeat(count);
        format!("{head}{}{tail}", list.trim_end_matches(','))
    };
    let head = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"x":["#;
    [
        ("empty objects", filled(head, "{},", "]}")),
        ("empty lists", filled(head, "[],", "]}")),
        ("numbers", filled(head, "1,", "]}")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_body_becomes_in_memory_is_bounded_whatever_it_says() {
    let _alone = alone().await;
    let server = listening();
    let user = Caller::user(&server, ATTACKER, &["--namespace", "default", "--user", "tenant"]);
    for (what, body) in bodies(MEBIBYTE - 100) {
        let memory = Memory::of(&server);
        for _ in 0..Form::of(1, 5) {
            let mut at_once = JoinSet::new();
            for _ in 0..16 {
                let (user, body) = (user.clone(), body.clone());
                at_once.spawn(async move { user.ask("POST", SECRETS, &body).await.map(|(status, _)| status) });
            }
            for status in at_once.join_all().await {
                assert_ne!(status, Some(500), "{what}");
            }
        }
        assert!(is_alive(&server, NEIGHBOUR).await);
        let effect = memory.after().await;
        report(&format!("16 bodies of 1 MiB at once, of {what}"), &effect);
        effect.assert_bounded();
    }
}

/// A Secret with this many bytes of data.
fn secret(name: &str, bytes: usize) -> String {
    let data = "x".repeat(bytes);
    format!(r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"{name}"}},"stringData":{{"data":"{data}"}}}}"#)
}

/// A Secret of almost as many bytes as one may have, put together by two requests, as a body is shorter.
async fn large_secret(user: &Caller, name: &str) {
    let (status, said) = user.ask("POST", SECRETS, &secret(name, 740_000)).await.unwrap();
    assert_eq!(status, 201, "{said}");
    let patch = format!(r#"{{"stringData":{{"more":"{}"}}}}"#, "x".repeat(300_000));
    let request = String::from_utf8(request("PATCH", &format!("{SECRETS}/{name}"), &patch)).unwrap();
    let request = request.replace("application/json", "application/merge-patch+json");
    let (status, said) = user.exchange(request.as_bytes()).await.unwrap();
    assert_eq!(status, 200, "{said}");
}

/// A watch whose client takes the head of the answer and no more. `None`: it was refused.
async fn stalled_watch(user: Caller) -> Option<TlsStream<TcpStream>> {
    let mut stream = user.begin(&request("GET", &format!("{SECRETS}?watch=true"), "")).await.ok()?;
    let mut head = [0; 12];
    timeout(Duration::from_secs(10), stream.read_exact(&mut head)).await.ok()?.ok()?;
    (&head == b"HTTP/1.1 200").then_some(stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_read_nothing_hold_a_bounded_amount_of_memory() {
    let _alone = alone().await;
    let server = listening();
    let user = Caller::user(&server, ATTACKER, &["--namespace", "default", "--user", "tenant"]);
    let user = user.with_small_buffer();
    let count = Form::of(6, 30);
    for number in 0..count {
        large_secret(&user, &format!("s{number}")).await;
    }
    let memory = Memory::of(&server);

    let tries = Form::of(40, 250);
    let mut watches = Vec::new();
    for _ in 0..tries {
        watches.extend(stalled_watch(user.clone()).await);
    }
    // What they send first are the objects that are there; then each change is an event for each watch.
    memory.grows_no_more(Form::of(Duration::from_secs(8), Duration::from_secs(40))).await;
    for number in 0..count {
        let _ = user.ask("PUT", &format!("{SECRETS}/s{number}"), &secret(&format!("s{number}"), 700_000)).await;
    }
    memory.grows_no_more(Form::of(Duration::from_secs(2), Duration::from_secs(20))).await;
    assert!(is_alive(&server, NEIGHBOUR).await);
    let opened = watches.len();
    drop(watches);

    let effect = memory.after().await;
    report(&format!("{opened} of {tries} watches of one user that read nothing, over {count} large objects"), &effect);
    effect.assert_bounded();
}
