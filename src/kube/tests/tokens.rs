use http_body_util::Full;
use hyper::{Method, Request, header::ACCEPT};
use serde_json::{Value, json};

use super::world::{World, causes, manifest};
use crate::store::{ObjectContent, ObjectKey, ObjectKind, ObjectWrite};

const TOKENS: &str = "/apis/skupper.io/v2alpha1/namespaces/west/accesstokens";
const CODE: &str = "a-code-that-must-stay-secret";
const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

fn spec() -> Value {
    json!({"url": "https://grants.example.com:9090/a-grant", "code": CODE, "ca": CA})
}

fn token(name: &str) -> Value {
    manifest("AccessToken", name, &spec())
}

async fn world_with_a_token() -> (World, Value) {
    let world = World::start().await;
    let created = world.post(TOKENS, &token("t")).await;
    assert_eq!(created.status, 201, "{}", created.text);
    (world, created.json)
}

#[tokio::test]
async fn a_token_is_kept_as_it_was_written_and_pending_at_first() {
    let world = World::start().await;
    let mut body = token("t");
    body["metadata"]["labels"] = json!({"a": "b"});
    body["metadata"]["annotations"] = json!({"c": "d"});
    body["spec"]["linkCost"] = json!(7);
    body["spec"]["settings"] = json!({"e": "f"});

    let created = world.post(TOKENS, &body).await;

    assert_eq!(created.status, 201, "{}", created.text);
    let seen = world.get(&format!("{TOKENS}/t")).await.object();
    assert_eq!(seen, created.json);
    assert_eq!((&seen["apiVersion"], &seen["kind"]), (&json!("skupper.io/v2alpha1"), &json!("AccessToken")));
    assert_eq!(seen["spec"], body["spec"]);
    assert_eq!(seen["status"], json!({"redeemed": false, "status": "Pending", "message": "Pending"}));
    let metadata = &seen["metadata"];
    assert_eq!((&metadata["name"], &metadata["namespace"]), (&json!("t"), &json!("west")));
    assert_eq!((&metadata["labels"], &metadata["annotations"]), (&json!({"a": "b"}), &json!({"c": "d"})));
    assert_eq!(metadata["generation"], 1);
    assert_eq!(metadata["creationTimestamp"], "2023-11-14T22:13:20Z");
    assert_eq!(metadata["uid"].as_str().unwrap().len(), 36);
    assert!(metadata["resourceVersion"].is_string());
}

#[tokio::test]
async fn what_a_controller_keeps_for_itself_survives_a_users_change_and_is_shown_to_nobody() {
    let (world, _) = world_with_a_token().await;
    let key =
        ObjectKey { kind: ObjectKind::AccessToken, namespace: "west".parse().unwrap(), name: "t".parse().unwrap() };
    let stored = world.app.object(key.clone()).await.unwrap().unwrap();
    let private = json!({"key": "canary"}).as_object().cloned().unwrap();
    let content = ObjectContent { private: private.clone(), ..stored.content };
    let (expected, generation) = (stored.revision, stored.generation);
    let update = ObjectWrite::Update { key: key.clone(), expected, generation, content, labels_before: None };
    world.app.write_object(update).await.unwrap();

    let patched = world.patch(&format!("{TOKENS}/t"), &json!({"spec": {"linkCost": 3}})).await.text;

    let shown = [patched, world.get(&format!("{TOKENS}/t")).await.text, world.get(TOKENS).await.text];
    assert!(shown.iter().all(|text| text.contains("linkCost") && !text.contains("canary")), "{shown:?}");
    assert_eq!(world.app.object(key).await.unwrap().unwrap().content.private, private);
}

#[tokio::test]
async fn every_fault_of_a_token_is_reported_at_once_and_none_repeats_a_value() {
    let world = World::start().await;
    let mut body = token("T");
    body["spec"] = json!({
        "url": format!("http://{CODE}"), "code": format!("{CODE} {CODE}"), "ca": CODE, "linkCost": -1, "settings": {"a": 1},
    });

    let seen = world.post(TOKENS, &body).await;

    let fields: Vec<&str> = causes(&seen).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["metadata.name", "spec.ca", "spec.code", "spec.linkCost", "spec.settings", "spec.url"]);
    assert!(causes(&seen).contains(&("spec.url", "Invalid value: token url scheme must be https")));
    assert!(!seen.text.contains(CODE), "{}", seen.text);

    for spec in [json!(null), json!({})] {
        body["spec"] = spec;
        assert_eq!(world.post(TOKENS, &body).await.failure().0, 422);
    }
    let seen = world.post(TOKENS, &manifest("AccessToken", "t", &json!({"code": ""}))).await;
    let required = "Required value: must be given";
    assert_eq!(causes(&seen), [("spec.ca", required), ("spec.code", required), ("spec.url", required)]);
}

#[tokio::test]
async fn a_value_of_another_type_is_refused_and_not_repeated() {
    let world = World::start().await;
    for (member, value) in [
        ("url", json!([CODE])),
        ("code", json!({CODE: 1})),
        ("ca", json!(1)),
        ("linkCost", json!("1")),
        ("linkCost", json!(1.5)),
        ("linkCost", json!(4_294_967_296_u64)),
        ("url", json!("https:///x")),
        ("url", json!("https://me:canary@grants.example.com/x")),
        ("url", json!("grants.example.com")),
        ("url", json!("https://a b")),
    ] {
        let mut body = token("t");
        body["spec"][member] = value;
        let seen = world.post(TOKENS, &body).await;
        assert_eq!(causes(&seen)[0].0, format!("spec.{member}"), "{}", seen.text);
        assert!(!seen.text.contains(CODE), "{}", seen.text);
    }
}

#[tokio::test]
async fn a_token_has_a_name_that_its_links_can_have() {
    let world = World::start().await;
    let refused = world.post(TOKENS, &token(&"a".repeat(246))).await;
    assert_eq!(causes(&refused), [("metadata.name", "Too long: may not be more than 245 bytes")]);
    world.post(TOKENS, &token(&"a".repeat(245))).await.object();

    let mut generated = token("");
    generated["metadata"] = json!({"generateName": "a".repeat(238)});
    let cut = world.post(TOKENS, &generated).await.object();
    assert_eq!(cut["metadata"]["name"].as_str().unwrap().len(), 245);
    generated["metadata"] = json!({"generateName": "t-"});
    let (one, other) = (world.post(TOKENS, &generated).await.object(), world.post(TOKENS, &generated).await.object());
    assert!(one["metadata"]["name"].as_str().unwrap().starts_with("t-"));
    assert_ne!(one["metadata"]["name"], other["metadata"]["name"]);
}

#[tokio::test]
async fn two_tokens_of_one_name_are_one_too_many() {
    let (world, _) = world_with_a_token().await;
    let text = "accesstokens.skupper.io \"t\" already exists";
    assert_eq!(world.post(TOKENS, &token("t")).await.failure(), (409, "AlreadyExists", text));
    let dry = world.post(&format!("{TOKENS}?dryRun=All"), &token("t")).await;
    assert_eq!(dry.failure().0, 409);
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() {
    let (world, before) = world_with_a_token().await;
    let path = format!("{TOKENS}/t");
    let nothing =
        [json!({}), json!({"spec": {"code": CODE}}), json!({"status": {"redeemed": true}, "spec": {"settings": null}})];
    for patch in nothing {
        assert_eq!(world.patch(&path, &patch).await.object(), before, "{patch}");
    }
    assert_eq!(world.put(&path, &before).await.object(), before);
}

#[tokio::test]
async fn only_a_change_of_what_is_wanted_makes_a_generation() {
    let (world, before) = world_with_a_token().await;
    let path = format!("{TOKENS}/t");

    let labelled =
        world.patch(&path, &json!({"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}})).await.object();
    assert_eq!(labelled["metadata"]["generation"], 1);
    assert_ne!(labelled["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);

    let changed = world.patch(&path, &json!({"spec": {"linkCost": 3}})).await.object();
    assert_eq!((&changed["metadata"]["generation"], &changed["spec"]["linkCost"]), (&json!(2), &json!(3)));
    assert_eq!(changed["metadata"]["labels"], json!({"a": "b"}));
    assert_eq!(changed["metadata"]["uid"], before["metadata"]["uid"]);

    let mut stale = before;
    stale["spec"]["linkCost"] = json!(4);
    assert_eq!(world.put(&path, &stale).await.failure().1, "Conflict");
    stale["metadata"]["resourceVersion"] = changed["metadata"]["resourceVersion"].clone();
    assert_eq!(world.put(&path, &stale).await.object()["metadata"]["generation"], 3);
}

#[tokio::test]
async fn a_status_is_for_the_server_alone_to_write() {
    let world = World::start().await;
    let mut body = token("t");
    body["status"] = json!({"redeemed": true, "status": "Ready", "message": "OK"});
    let created = world.post(TOKENS, &body).await.object();
    assert_eq!(created["status"]["redeemed"], false);

    let path = format!("{TOKENS}/t/status");
    assert_eq!(world.get(&path).await.object(), created);
    for method in [Method::PATCH, Method::PUT] {
        let seen = world.send(method, &path, "application/merge-patch+json", "{}").await;
        assert_eq!(seen.failure(), (403, "Forbidden", "status is written by this server alone"));
    }
    assert_eq!(world.delete(&path, &json!(null)).await.failure().0, 405);
    assert_eq!(world.get(&format!("{TOKENS}/nope/status")).await.failure().0, 404);
    world.grant("g", json!({})).await;
    for path in ["accessgrants/g", "sites/west-site"] {
        let path = format!("/apis/skupper.io/v2alpha1/namespaces/west/{path}");
        assert_eq!(world.get(&format!("{path}/status")).await.object(), world.get(&path).await.object());
    }
}

#[tokio::test]
async fn a_dry_run_shows_and_stores_nothing() {
    let (world, before) = world_with_a_token().await;
    let (one, other) = (format!("{TOKENS}/t"), format!("{TOKENS}/u"));

    let dry = world.post(&format!("{TOKENS}?dryRun=All"), &token("u")).await;
    assert_eq!(dry.status, 201);
    assert_eq!(dry.json["spec"], spec());
    assert!(dry.json["metadata"]["uid"].is_null() && dry.json["status"].is_null(), "{}", dry.text);
    assert_eq!(world.get(&other).await.status, 404);

    let patched = world.patch(&format!("{one}?dryRun=All"), &json!({"spec": {"linkCost": 3}})).await.object();
    assert_eq!((&patched["spec"]["linkCost"], &patched["metadata"]["generation"]), (&json!(3), &json!(2)));
    assert_eq!(world.delete(&format!("{one}?dryRun=All"), &json!(null)).await.status, 200);
    assert_eq!(world.get(&one).await.object(), before);
}

#[tokio::test]
async fn tokens_are_listed_selected_and_removed_like_everything_else() {
    let (world, created) = world_with_a_token().await;
    let mut labelled = token("u");
    labelled["metadata"]["labels"] = json!({"side": "left"});
    world.post(TOKENS, &labelled).await.object();
    let names = async |path: &str| {
        let list = world.get(path).await.object();
        assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("AccessTokenList"), &json!("skupper.io/v2alpha1")));
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(TOKENS).await, ["t", "u"]);
    assert_eq!(names("/apis/skupper.io/v2alpha1/accesstokens?labelSelector=side%3Dleft").await, ["u"]);
    let page = world.get(&format!("{TOKENS}?limit=1")).await.object();
    let next = page["metadata"]["continue"].as_str().unwrap();
    assert_eq!(names(&format!("{TOKENS}?limit=1&continue={next}")).await, ["u"]);
    assert_eq!(names("/apis/skupper.io/v2alpha1/namespaces/east/accesstokens").await, [""; 0]);

    let path = format!("{TOKENS}/t");
    let wrong = json!({"preconditions": {"uid": "another"}});
    assert_eq!(world.delete(&path, &wrong).await.failure().0, 409);
    let gone = world.delete(&path, &json!({"preconditions": {"uid": created["metadata"]["uid"]}})).await.object();
    assert_eq!(gone["details"]["uid"], created["metadata"]["uid"]);
    assert_eq!(world.delete(&path, &json!(null)).await.failure().2, "accesstokens.skupper.io \"t\" not found");
    assert_eq!(names(TOKENS).await, ["u"]);
}

#[tokio::test]
async fn a_table_of_tokens_shows_no_code() {
    let (world, _) = world_with_a_token().await;
    for path in [TOKENS.to_owned(), format!("{TOKENS}/t/status")] {
        let request = Request::builder().uri(path).header(ACCEPT, "application/json;as=Table;v=v1;g=meta.k8s.io");
        let table = world.request(request.body(Full::default()).unwrap()).await;

        assert!(!table.text.contains(CODE));
        let table = table.object();
        let columns = table["columnDefinitions"].as_array().unwrap();
        let headings: Vec<&str> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
        assert_eq!(headings, ["Name", "URL", "Redeemed", "Status", "Message"]);
        let cells = json!(["t", spec()["url"], false, "Pending", "Pending"]);
        assert_eq!(table["rows"][0]["cells"], cells);
    }
}

#[tokio::test]
async fn unknown_fields_are_dropped_or_refused() {
    let world = World::start().await;
    let mut body = token("t");
    body["spec"]["extra"] = json!({"a": 1});
    let strict = world.post(&format!("{TOKENS}?fieldValidation=Strict"), &body).await;
    assert!(strict.failure().2.ends_with("unknown field \"spec.extra\""), "{}", strict.text);
    assert_eq!(world.post(TOKENS, &body).await.object()["spec"], spec());
}
