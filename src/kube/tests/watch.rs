//! Watches, read as a client reads them.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    body::Bytes,
    header::{ACCEPT, RETRY_AFTER},
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;

use super::world::{GRANTS, World, grant};
use crate::kube::{access::caller::Peer, wire::answer::AnswerBody};

const DEADLINE: Duration = Duration::from_secs(20);
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const STREAMING: &str = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

/// A watch that is being read.
pub(super) struct Watching {
    body: AnswerBody,
    read: Vec<u8>,
}

/// An event: its type and its object.
pub(super) type Event = (String, Value);

impl Watching {
    /// The next event; `None` when the watch has ended properly.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let mut event: Value = serde_json::from_slice(&line).unwrap();
                return Some((event["type"].as_str().unwrap().to_owned(), event["object"].take()));
            }
            let frame = timeout(DEADLINE, self.body.frame()).await.expect("an event");
            match frame {
                Some(frame) => self.read.extend_from_slice(frame.unwrap().data_ref().unwrap()),
                None => return None,
            }
        }
    }

    /// The next events, as types and names.
    async fn received(&mut self, count: usize) -> Vec<String> {
        let mut received = Vec::new();
        for _ in 0..count {
            let (event, object) = self.next().await.expect("the watch goes on");
            received.push(format!("{event} {}", object["metadata"]["name"].as_str().unwrap_or_default()));
        }
        received
    }

    /// All further events of a watch that ends.
    async fn rest(&mut self) -> Vec<Event> {
        let mut rest = Vec::new();
        while let Some(event) = self.next().await {
            rest.push(event);
        }
        rest
    }
}

pub(super) fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

impl World {
    pub(super) async fn watch(&self, query: &str) -> Watching {
        self.watch_of(GRANTS, query, "application/json").await
    }

    pub(super) async fn watch_of(&self, collection: &str, query: &str, accept: &str) -> Watching {
        let uri = format!("{collection}?watch=true&{query}");
        let request = Request::builder().uri(uri).header(ACCEPT, accept).body(Full::<Bytes>::default()).unwrap();
        let answer = self.service.of(Peer::Owner { uid: 0 }).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        Watching { body: answer.into_body(), read: Vec::new() }
    }

    async fn label(&self, name: &str, labels: Value) -> Value {
        self.patch(&format!("{GRANTS}/{name}"), &json!({"metadata": {"labels": labels}})).await.object()
    }

    async fn version(&self) -> u64 {
        version(&self.get(GRANTS).await.object())
    }
}

#[tokio::test]
async fn a_watch_sends_what_exists_and_then_what_changes() {
    let world = World::start().await;
    let made = world.grant("a", json!({})).await;
    let mut watching = world.watch("").await;

    let (event, object) = watching.next().await.unwrap();
    assert_eq!((event.as_str(), &object), ("ADDED", &made));

    world.redeem(&made).await;
    let (event, object) = watching.next().await.unwrap();
    assert_eq!((event.as_str(), &object["status"]["redemptions"]), ("MODIFIED", &json!(1)));
    assert_eq!(object, world.get(&format!("{GRANTS}/a")).await.object());

    let labelled = world.label("a", json!({"x": "y"})).await;
    assert_eq!(watching.next().await.unwrap(), ("MODIFIED".to_owned(), labelled.clone()));

    world.delete(&format!("{GRANTS}/a"), &Value::Null).await.object();
    let (event, object) = watching.next().await.unwrap();
    assert_eq!((event.as_str(), &object["metadata"]["labels"]), ("DELETED", &json!({"x": "y"})));
    assert!(version(&object) > version(&labelled));

    let again = world.grant("a", json!({})).await;
    assert_eq!(watching.next().await.unwrap(), ("ADDED".to_owned(), again));
}

#[tokio::test]
async fn a_watch_is_of_its_type_its_namespace_and_its_selection() {
    let world = World::start().await;
    let start = world.version().await;
    let mut named = world.watch(&format!("fieldSelector=metadata.name%3Db&resourceVersion={start}")).await;
    let mut everywhere = world
        .watch_of("/apis/skupper.io/v2alpha1/accessgrants", &format!("resourceVersion={start}"), "application/json")
        .await;
    world.post(&GRANTS.replace("west", "edge"), &grant("b", json!({}))).await.object();
    world.grant("a", json!({})).await;
    world.grant("b", json!({})).await;

    assert_eq!(everywhere.received(3).await, ["ADDED b", "ADDED a", "ADDED b"]);
    let (_, object) = named.next().await.unwrap();
    assert_eq!((&object["metadata"]["name"], &object["metadata"]["namespace"]), (&json!("b"), &json!("west")));
}

#[tokio::test]
async fn a_watch_that_resumes_from_a_revision_misses_nothing_and_repeats_nothing() {
    let world = World::start().await;
    let start = world.version().await;
    for name in ["a", "b", "c"] {
        world.grant(name, json!({})).await;
    }
    world.label("a", json!({"x": "y"})).await;
    world.delete(&format!("{GRANTS}/b"), &Value::Null).await.object();

    let mut whole = Vec::new();
    let mut from = start;
    for _ in 0..5 {
        // Each watch is closed after its first event.
        let (event, object) = world.watch(&format!("resourceVersion={from}")).await.next().await.unwrap();
        assert!(version(&object) > from, "{event} {object}");
        from = version(&object);
        whole.push(format!("{event} {}", object["metadata"]["name"].as_str().unwrap()));
    }

    assert_eq!(whole, ["ADDED a", "ADDED b", "ADDED c", "MODIFIED a", "DELETED b"]);
    let list = world.version().await;
    assert_eq!(world.watch(&format!("resourceVersion={list}&timeoutSeconds=1")).await.rest().await, []);
}

#[tokio::test]
async fn a_revision_that_is_too_old_or_in_the_future_is_an_error_event_and_ends_the_watch() {
    let world = World::start().await;
    world.grant("a", json!({})).await;
    let head = world.version().await;
    for from in [head + 1, u64::MAX] {
        let rest = world.watch(&format!("resourceVersion={from}")).await.rest().await;
        let [(event, status)] = &rest[..] else { panic!("{rest:?}") };
        assert_eq!(event, "ERROR");
        assert_eq!((&status["code"], &status["reason"]), (&json!(410), &json!("Expired")));
        assert_eq!(status["message"], format!("too old resource version: {from} ({head})"));
    }
    let streaming = world.watch(&format!("{STREAMING}&resourceVersion={}", head + 1)).await.rest().await;
    assert_eq!(streaming[0].0, "ERROR");
    assert_eq!(world.get(&format!("{GRANTS}?watch=true&resourceVersion=x")).await.failure().0, 400);
}

#[tokio::test]
async fn what_was_before_the_server_started_is_too_old() {
    let world = World::start().await;
    for _ in 0..2 {
        world.grant("a", json!({})).await;
        world.delete(&format!("{GRANTS}/a"), &Value::Null).await.object();
    }
    let world = world.restart().await;

    let rest = world.watch("resourceVersion=2").await.rest().await;

    assert_eq!((rest.len(), &rest[0].1["code"]), (1, &json!(410)));
}

#[tokio::test]
async fn an_object_that_stops_being_selected_is_deleted_and_one_that_begins_to_be_is_added() {
    let world = World::start().await;
    let mut watching = world.watch("labelSelector=x%3Dy").await;
    world.grant("a", json!({})).await;
    world.label("a", json!({"x": "y"})).await;
    assert_eq!(watching.received(1).await, ["ADDED a"]);
    world.label("a", json!({"z": "z"})).await;
    assert_eq!(watching.received(1).await, ["MODIFIED a"]);
    world.label("a", json!({"x": "n"})).await;
    assert_eq!(watching.received(1).await, ["DELETED a"]);
    world.label("a", json!({"z": "a"})).await;
    world.delete(&format!("{GRANTS}/a"), &Value::Null).await.object();
    let mut other = grant("b", json!({}));
    other["metadata"]["labels"] = json!({"x": "y"});
    world.post(GRANTS, &other).await.object();
    assert_eq!(watching.received(1).await, ["ADDED b"]);
}

#[tokio::test]
async fn changes_between_two_reads_are_sent_by_what_was_before_and_after() {
    let world = World::start().await;
    let mut body = grant("a", json!({}));
    body["metadata"]["labels"] = json!({"x": "y"});
    world.post(GRANTS, &body).await.object();
    let start = world.version().await;
    world.label("a", json!({"x": "n"})).await;
    world.label("a", json!({"z": "z"})).await;
    world.delete(&format!("{GRANTS}/a"), &Value::Null).await.object();

    let mut watching = world.watch(&format!("labelSelector=x%3Dy&resourceVersion={start}&timeoutSeconds=1")).await;

    let rest = watching.rest().await;
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!((rest[0].0.as_str(), version(&rest[0].1)), ("DELETED", start + 1));
}

#[tokio::test]
async fn bookmarks_come_only_when_asked_for() {
    let world = World::start().await;
    world.grant("a", json!({})).await;
    let start = world.version().await;
    let mut unasked = world.watch(&format!("resourceVersion={start}&timeoutSeconds=1")).await;
    let mut asked = world.watch(&format!("resourceVersion={start}&timeoutSeconds=1&allowWatchBookmarks=true")).await;
    world.post(&GRANTS.replace("west", "edge"), &grant("b", json!({}))).await.object();
    let head = world.version().await;

    assert_eq!(unasked.rest().await, []);
    let bookmark = json!({
        "kind": "AccessGrant", "apiVersion": "skupper.io/v2alpha1", "metadata": {"resourceVersion": head.to_string()},
    });
    assert_eq!(asked.rest().await, [("BOOKMARK".to_owned(), bookmark)]);
}

#[tokio::test]
async fn the_end_of_the_initial_events_is_marked_for_clients_that_ask() {
    let world = World::start().await;
    world.grant("a", json!({})).await;
    let head = world.version().await;
    let mut watching = world.watch(&format!("{STREAMING}&allowWatchBookmarks=true&resourceVersion=0")).await;

    assert_eq!(watching.received(1).await, ["ADDED a"]);
    let (event, object) = watching.next().await.unwrap();
    assert_eq!((event.as_str(), version(&object)), ("BOOKMARK", head));
    assert_eq!(object["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    world.grant("b", json!({})).await;
    assert_eq!(watching.received(1).await, ["ADDED b"]);

    let refused = world.get(&format!("{GRANTS}?watch=true&sendInitialEvents=true")).await;
    assert_eq!(refused.failure().0, 422);
    assert_eq!(refused.failure().1, "Invalid");
}

#[tokio::test]
async fn a_watch_that_wants_no_initial_events_has_none() {
    let world = World::start().await;
    world.grant("a", json!({})).await;
    let mut watching = world.watch("sendInitialEvents=false&resourceVersionMatch=NotOlderThan").await;
    // Whether the watch began before or after it was made, the first change is the same.
    world.grant("b", json!({})).await;
    world.label("b", json!({"x": "y"})).await;
    let (_, object) = watching.next().await.unwrap();
    assert_eq!(object["metadata"]["name"], "b");
}

#[tokio::test]
async fn a_watch_ends_well_at_its_time() {
    let world = World::start().await;
    world.grant("a", json!({})).await;
    for limit in ["timeoutSeconds=1", "timeout=1s"] {
        let began = Instant::now();
        assert_eq!(world.watch(limit).await.rest().await.len(), 1);
        assert!(began.elapsed() >= Duration::from_millis(900), "{limit}");
    }
}

#[tokio::test]
async fn a_watch_ends_well_when_the_server_stops() {
    let world = World::start().await;
    world.grant("a", json!({})).await;
    let mut watching = world.watch("allowWatchBookmarks=true").await;
    assert_eq!(watching.received(1).await, ["ADDED a"]);
    // The position of the watch is known once an event came after the initial ones.
    world.grant("b", json!({})).await;
    assert_eq!(watching.received(1).await, ["ADDED b"]);

    world.app.draining();

    let rest = watching.rest().await;
    assert_eq!((rest.len(), rest[0].0.as_str()), (1, "BOOKMARK"), "{rest:?}");
    assert_eq!(world.watch("").await.rest().await.iter().filter(|(event, _)| event == "ERROR").count(), 0);
}

#[tokio::test]
async fn a_watcher_that_takes_nothing_is_cut_off_and_learns_of_it() {
    let world = World::start().await;
    for name in 0..20 {
        world.grant(&format!("g{name}"), json!({})).await;
    }
    let mut watching = world.watch("").await;
    assert_eq!(watching.received(1).await.len(), 1);
    // The other events were read from the store together with the first.
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(31)).await;
    tokio::time::resume();

    let mut body = watching.body;
    let mut whole = 0;
    let broken = loop {
        match timeout(DEADLINE, body.frame()).await.unwrap() {
            Some(Ok(_)) => whole += 1,
            Some(Err(error)) => break error.to_string(),
            None => panic!("it ended as if there were no more"),
        }
    };
    assert_eq!((whole, broken.as_str()), (16, "the watch broke off"));
}

#[tokio::test]
async fn one_watch_too_many_is_asked_to_retry_and_other_requests_are_served() {
    let world = World::start().await;
    let mut held = Vec::new();
    for _ in 0..256 {
        held.push(world.watch("").await);
    }

    let refused = world.get(&format!("{GRANTS}?watch=true")).await;
    assert_eq!(refused.failure().1, "TooManyRequests");
    assert!(refused.headers.contains_key(RETRY_AFTER));
    assert_eq!(world.get(GRANTS).await.status, 200);

    drop(held.pop());
    let free = async {
        while world.get(&format!("{GRANTS}?watch=true&timeoutSeconds=1")).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, free).await.unwrap();
}

#[tokio::test]
async fn a_watched_table_is_sent_row_by_row() {
    let world = World::start().await;
    world.grant("a", json!({})).await;
    let mut watching =
        world.watch_of(GRANTS, &format!("{STREAMING}&allowWatchBookmarks=true&timeoutSeconds=1"), TABLE).await;

    let rest = watching.rest().await;
    let [(added, row), (bookmark, end), (_, last)] = &rest[..] else { panic!("{rest:?}") };
    assert_eq!((added.as_str(), &row["kind"], &row["rows"][0]["cells"][0]), ("ADDED", &json!("Table"), &json!("a")));
    assert_eq!(row["metadata"]["resourceVersion"], row["rows"][0]["object"]["metadata"]["resourceVersion"]);
    assert_eq!(bookmark, "BOOKMARK");
    assert_eq!(end["rows"][0]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert!(version(end) >= version(row) && version(last) == version(end));
}

#[tokio::test]
async fn only_collections_of_objects_are_watched() {
    let world = World::start().await;
    world.grant("a", json!({})).await;
    for path in [&format!("{GRANTS}/a"), "/api/v1/namespaces", "/api/v1/namespaces/west/events", "/version"] {
        assert_eq!(world.get(&format!("{path}?watch=true")).await.failure().0, 405, "{path}");
    }
    let continued = world.get(&format!("{GRANTS}?watch=true&continue=MS8xL3dlc3QvYQ")).await;
    assert_eq!(continued.failure().0, 400);
}

#[tokio::test]
async fn configured_sites_are_shown_and_never_change() {
    let world = World::start().await;
    let mut watching = world.watch_of("/apis/skupper.io/v2alpha1/sites", "timeoutSeconds=1", "application/json").await;
    world.grant("a", json!({})).await;
    let rest = watching.rest().await;
    assert!(rest.iter().all(|(event, _)| event == "ADDED"), "{rest:?}");
    assert_eq!(rest.len(), 3);
}

#[tokio::test]
async fn watches_are_counted() {
    let world = World::start().await;
    drop(world.watch("").await);
    let line = "grantd_admin_requests_total{code=\"2xx\",resource=\"accessgrants\",verb=\"watch\"} 1";
    assert!(world.app.metrics().render().lines().any(|l| l == line));
}
