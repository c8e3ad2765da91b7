use http_body_util::Full;
use hyper::{
    Method, Request,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::{Value, json};

use super::{
    protobuf::{envelope, field},
    world::World,
};
use crate::{kube::access::caller::Peer, pki::AdminUser};

const SECRETS: &str = "/api/v1/namespaces/west/secrets";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

fn secret(name: &str, members: &Value) -> Value {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
    for (name, value) in members.as_object().unwrap() {
        secret[name] = value.clone();
    }
    secret
}

async fn made(world: &World, name: &str, members: &Value) -> Value {
    world.post(SECRETS, &secret(name, members)).await.object()
}

#[tokio::test]
async fn a_secret_is_kept_with_its_plain_texts_among_its_data() {
    let world = World::start().await;
    let shown = made(&world, "s", &json!({"data": {"a": "YQ=="}, "stringData": {"b": "b"}})).await;
    assert_eq!((&shown["type"], &shown["data"]), (&json!("Opaque"), &json!({"a": "YQ==", "b": "Yg=="})));
    for absent in ["stringData", "status", "spec", "immutable"] {
        assert_eq!(shown.get(absent), None, "{absent}");
    }
    assert_eq!(shown["metadata"].get("generation"), None);
    assert_eq!(world.get(&format!("{SECRETS}/s")).await.object(), shown);
}

#[tokio::test]
async fn a_strategic_patch_of_a_secret_is_a_merge() {
    let world = World::start().await;
    made(&world, "s", &json!({"stringData": {"a": "a", "b": "b"}})).await;
    let path = format!("{SECRETS}/s");
    let patch = json!({"data": {"a": null}, "stringData": {"c": "c"}}).to_string();

    let shown = world.send(Method::PATCH, &path, STRATEGIC, &patch).await.object();
    let again = world.send(Method::PATCH, &path, STRATEGIC, &patch).await.object();

    assert_eq!(shown["data"], json!({"b": "Yg==", "c": "Yw=="}));
    assert_eq!(again["metadata"]["resourceVersion"], shown["metadata"]["resourceVersion"]);
    let directive = world.send(Method::PATCH, &path, STRATEGIC, r#"{"data": {"$patch": "replace"}}"#).await;
    assert_eq!(directive.failure().0, 400);
}

#[tokio::test]
async fn a_secret_is_made_of_protobuf() {
    let world = World::start().await;
    let raw = [field(1, field(1, "s")), field(2, [field(1, "a"), field(2, [0xff])].concat()), field(3, "x/y")].concat();
    let request = Request::post(SECRETS).header(CONTENT_TYPE, "application/vnd.kubernetes.protobuf");
    let seen = world.request(request.body(Full::from(envelope("v1", "Secret", &raw))).unwrap()).await;
    assert_eq!((seen.status, &seen.json["type"], &seen.json["data"]), (201, &json!("x/y"), &json!({"a": "/w=="})));
}

#[tokio::test]
async fn the_type_of_a_secret_stays_and_is_selected_by() {
    let world = World::start().await;
    made(&world, "opaque", &json!({})).await;
    made(&world, "tls", &json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}})).await;

    let seen = world.patch(&format!("{SECRETS}/tls"), &json!({"type": "Opaque"})).await;
    let message = "Secret \"tls\" is invalid: type: Invalid value: \"Opaque\": field is immutable";
    assert_eq!(seen.failure(), (422, "Invalid", message));

    for (selector, names) in [("type=kubernetes.io/tls", vec!["tls"]), ("type!=kubernetes.io/tls", vec!["opaque"])] {
        let list = world.get(&format!("{SECRETS}?fieldSelector={selector}")).await.object();
        let found: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| &item["metadata"]["name"]).collect();
        assert_eq!(found, names, "{selector}");
    }
    let seen = world.get(&format!("{SECRETS}?fieldSelector=data=x")).await;
    assert_eq!(seen.failure(), (400, "BadRequest", "field label not supported: data"));
    let grants = world.get(&format!("{}?fieldSelector=type=x", super::world::GRANTS)).await;
    assert_eq!(grants.failure(), (400, "BadRequest", "field label not supported: type"));
}

#[tokio::test]
async fn a_watch_sends_secrets_of_the_selected_type_until_they_are_gone() {
    let world = World::start().await;
    let version = world.get(SECRETS).await.object()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    for (name, secret_type) in [("other", "x"), ("wanted", "y"), ("last", "y")] {
        made(&world, name, &json!({"type": secret_type})).await;
    }
    for name in ["other", "wanted"] {
        let path = format!("{SECRETS}/{name}");
        world.patch(&path, &json!({"metadata": {"labels": {"a": "b"}}})).await.object();
        world.delete(&path, &Value::Null).await.object();
    }

    let query = format!("resourceVersion={version}&fieldSelector=type=y");
    let mut watching = world.watch_of(SECRETS, &query, "application/json").await;

    let mut received = Vec::new();
    while received.last().is_none_or(|(event, _)| event != "DELETED") {
        let (event, object) = watching.next().await.unwrap();
        received.push((event, object["metadata"]["name"].as_str().unwrap().to_owned()));
    }
    assert!(received.contains(&("ADDED".to_owned(), "last".to_owned())), "{received:?}");
    assert!(received.contains(&("DELETED".to_owned(), "wanted".to_owned())), "{received:?}");
    assert!(received.iter().all(|(_, name)| name != "other"), "{received:?}");
}

#[tokio::test]
async fn secrets_are_a_table_of_types_numbers_and_ages() {
    let world = World::start().await;
    made(&world, "empty", &json!({})).await;
    made(&world, "two", &json!({"stringData": {"a": "canary", "b": ""}})).await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let request = Request::builder().uri(SECRETS).header(ACCEPT, accept).body(Full::default()).unwrap();
    let table = world.request(request).await;
    let cells: Vec<_> = table.json["rows"].as_array().unwrap().iter().map(|row| &row["cells"]).collect();
    assert_eq!(cells, [&json!(["empty", "Opaque", 0, "0s"]), &json!(["two", "Opaque", 2, "0s"])]);
    assert!(!table.text.contains("Y2FuYXJ5"), "{}", table.text);
}

#[tokio::test]
async fn a_reader_reads_no_secrets() {
    let world = World::start().await;
    made(&world, "s", &json!({})).await;
    let reader = || {
        let (name, scope) = ("alice".parse().unwrap(), "grantd:*:read".parse().unwrap());
        Peer::Certificate(AdminUser { name, scope })
    };
    for (path, verb) in [(SECRETS.to_owned(), "list"), (format!("{SECRETS}?watch=true"), "watch")] {
        let request = Request::builder().uri(&path).body(Full::default()).unwrap();
        let seen = world.request_of(reader(), request).await;
        let message = format!(
            "secrets is forbidden: User \"alice\" cannot {verb} resource \"secrets\" in API group \"\" in the namespace \
             \"west\""
        );
        assert_eq!(seen.failure(), (403, "Forbidden", message.as_str()));
    }
    let one = Request::builder().uri(format!("{SECRETS}/s")).body(Full::default()).unwrap();
    assert_eq!(world.request_of(reader(), one).await.failure().0, 403);
}

#[tokio::test]
async fn no_refusal_repeats_what_is_secret() {
    let world = World::start().await;
    for members in [
        json!({"data": {"a": "canary%"}}),
        json!({"data": "canary"}),
        json!({"data": {"a": ["canary"]}}),
        json!({"stringData": {"a b": "canary"}}),
        json!({"immutable": "canary", "stringData": {"a": "canary"}}),
        json!({"immutable": true, "stringData": {"a": "canary"}}),
        json!({"type": "kubernetes.io/tls", "stringData": {"tls.key": "canary"}}),
    ] {
        let seen = world.post(SECRETS, &secret("s", &members)).await;
        assert_eq!(seen.failure().0, 422, "{members}");
        assert!(!seen.text.contains("canary"), "{}", seen.text);
    }
}
