//! Clients that read no answers, and answers that are long.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    tls_listener::{Running, request},
    world::{GRANTS, World, grant},
};
use crate::kube::{access::caller::Peer, wire::service::AdminService};

const DEADLINE: Duration = Duration::from_secs(30);
const SECRETS: &str = "/api/v1/namespaces/west/secrets";

type Sender = http2::SendRequest<http_body_util::Full<hyper::body::Bytes>>;

/// An HTTP/2 connection whose initial stream window is this many bytes.
async fn connect(running: &Running, window: u32) -> (Sender, JoinHandle<Result<(), hyper::Error>>) {
    let stream = running.connect(Some((&running.ca, "grantd:*:write")), "h2").await;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn let_more_than_a_minute_pass() {
    tokio::time::pause();
    for _ in 0..14 {
        sleep(Duration::from_secs(5)).await;
        // Sockets need real time to be read: tokio advances paused time only when nothing else can run.
        tokio::time::resume();
        sleep(Duration::from_millis(20)).await;
        tokio::time::pause();
    }
    tokio::time::resume();
}

#[tokio::test]
async fn a_client_that_lets_no_byte_of_an_answer_through_is_cut_though_it_answers_pings() {
    let running = Running::start().await;
    running.world.grant("g", json!({})).await;
    let watch = format!("{GRANTS}?watch=true");
    for path in [watch.as_str(), GRANTS] {
        let (mut patient, patient_connection) = connect(&running, 65_535).await;
        let received =
            timeout(DEADLINE, patient.send_request(request("GET", &watch, &Value::Null))).await.unwrap().unwrap();
        let mut received = received.into_body();
        assert!(timeout(DEADLINE, received.frame()).await.unwrap().unwrap().is_ok());
        let (mut stalled, connection) = connect(&running, 0).await;
        let answer =
            timeout(DEADLINE, stalled.send_request(request("GET", path, &Value::Null))).await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);

        let_more_than_a_minute_pass().await;

        let ended = timeout(Duration::from_secs(5), connection).await;
        assert!(ended.is_ok(), "{path}: the connection goes on");
        assert!(!patient_connection.is_finished(), "a client that only waits for events is cut off too");
        patient_connection.abort();
    }
    running.close().await;
}

/// Secrets of a megabyte each.
async fn world_of_large_secrets(count: usize) -> World {
    let world = World::start().await;
    for number in 0..count {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("s{number:02}")},
            "stringData": {"a": "x".repeat(760_000)},
        });
        assert_eq!(world.post(SECRETS, &secret).await.status, 201);
    }
    world
}

#[tokio::test]
async fn a_list_of_large_objects_ends_early_and_goes_on_where_it_ended() {
    let world = world_of_large_secrets(12).await;
    for query in ["", "limit=500"] {
        let first = world.get(&format!("{SECRETS}?{query}")).await;
        assert!(first.text.len() < 10 * 1024 * 1024, "{}", first.text.len());
        assert_eq!(first.header("warning").contains("the list was cut"), query.is_empty());
        let token = first.json["metadata"]["continue"].as_str().expect("there is more");
        let second = world.get(&format!("{SECRETS}?{query}&continue={token}")).await.object();

        let items = [&first.json, &second].map(|list| list["items"].as_array().unwrap().len());
        assert_eq!(items[0] + items[1], 12, "{items:?}");
        assert_eq!(second["metadata"].get("continue"), None);
    }
}

#[tokio::test]
async fn answers_that_no_client_takes_are_refused_before_they_fill_the_memory_and_writes_are_not() {
    use hyper::Request;
    use tower::ServiceExt;
    let world = world_of_large_secrets(16).await;
    let service: AdminService = world.service.of(Peer::Owner { uid: 0 });
    let list = || {
        let request = Request::get(SECRETS).body(http_body_util::Empty::<hyper::body::Bytes>::new()).unwrap();
        service.clone().oneshot(request)
    };
    let mut kept = Vec::new();
    let refused = loop {
        let answer = list().await.unwrap();
        if answer.status() != 200 {
            break answer;
        }
        kept.push(answer);
        assert!(kept.len() < 20, "nothing bounds them");
    };
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    assert_eq!(world.post(GRANTS, &grant("g", json!({}))).await.status, 201);
    assert_eq!(world.get(GRANTS).await.status, 200);

    kept.pop();
    assert_eq!(list().await.unwrap().status(), 200);
}
