use super::world::{GRANTS, World, condition, grant};
use hyper::{Method, Request};
use serde_json::{Value, json};

#[tokio::test]
async fn the_answer_to_a_creation_has_everything_a_token_needs() {
    let world = World::start().await;

    let seen = world.post(GRANTS, &grant("g", json!({"redemptionsAllowed": 3, "expirationWindow": "1h"}))).await;

    assert_eq!(seen.status, 201);
    assert_eq!(seen.header("content-type"), "application/json");
    let object = seen.object();
    let uid = object["metadata"]["uid"].as_str().unwrap();
    assert_eq!(object["metadata"]["name"], "g");
    assert_eq!(object["metadata"]["namespace"], "west");
    assert_eq!(object["metadata"]["generation"], 1);
    assert_eq!(object["metadata"]["creationTimestamp"], "2023-11-14T22:13:20Z");
    assert!(object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(object["spec"], json!({"redemptionsAllowed": 3, "expirationWindow": "1h"}));
    assert_eq!(object["status"]["url"], format!("https://grants.example.com:9090/{uid}"));
    assert_eq!(object["status"]["code"].as_str().unwrap().len(), 24);
    assert!(object["status"]["ca"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(object["status"]["redemptions"], 0);
    assert_eq!(object["status"]["expirationTime"], "2023-11-14T23:13:20Z");
    assert_eq!((&object["status"]["status"], &object["status"]["message"]), (&json!("Ready"), &json!("OK")));
    assert_eq!(
        condition(&object, "Ready"),
        &json!({
            "type": "Ready", "status": "True", "reason": "Ready", "message": "OK", "observedGeneration": 1,
            "lastTransitionTime": "2023-11-14T22:13:20Z",
        })
    );
    assert_eq!(world.get(&format!("{GRANTS}/g")).await.object(), object);
}

#[tokio::test]
async fn absent_fields_are_written_back_with_their_defaults() {
    let world = World::start().await;
    let object = world.grant("g", json!({})).await;
    assert_eq!(object["spec"], json!({"redemptionsAllowed": 1, "expirationWindow": "15m0s"}));
}

#[tokio::test]
async fn noise_that_serializers_write_is_accepted() {
    let world = World::start().await;
    let body = json!({
        "apiVersion": "skupper.io/v2alpha1", "kind": "AccessGrant",
        "metadata": {"name": "g", "namespace": "west", "creationTimestamp": null, "managedFields": [], "uid": ""},
        "spec": {"redemptionsAllowed": 1, "expirationWindow": "15m0s", "settings": null},
        "status": {"code": "mine", "redemptions": 7},
    });

    let object =
        world.post(&format!("{GRANTS}?fieldValidation=Strict&fieldManager=x&timeout=32s"), &body).await.object();

    assert_ne!(object["status"]["code"], "mine");
    assert_eq!(object["status"]["redemptions"], 0);
}

#[tokio::test]
async fn an_own_code_is_kept_and_shown() {
    let world = World::start().await;
    let object = world.grant("g", json!({"code": "my-own-code", "settings": {"a": "b"}})).await;
    assert_eq!((&object["spec"]["code"], &object["status"]["code"]), (&json!("my-own-code"), &json!("my-own-code")));
    assert_eq!(object["spec"]["settings"], json!({"a": "b"}));
}

#[tokio::test]
async fn labels_and_annotations_come_back_as_they_went_in() {
    let world = World::start().await;
    let mut body = grant("g", json!({}));
    let last_applied = "kubectl.kubernetes.io/last-applied-configuration";
    body["metadata"]["labels"] = json!({"app": "a", "example.com/tier": ""});
    body["metadata"]["annotations"] = json!({last_applied: "{\"spec\":{}}\n"});

    let object = world.post(GRANTS, &body).await.object();

    assert_eq!(object["metadata"]["labels"], body["metadata"]["labels"]);
    assert_eq!(object["metadata"]["annotations"], body["metadata"]["annotations"]);
}

#[tokio::test]
async fn a_name_can_be_generated() {
    let world = World::start().await;
    let mut body = grant("", json!({}));
    body["metadata"] = json!({"generateName": "west-"});

    let first = world.post(GRANTS, &body).await.object();
    let second = world.post(GRANTS, &body).await.object();

    assert!(first["metadata"]["name"].as_str().unwrap().starts_with("west-"));
    assert_ne!(first["metadata"]["name"], second["metadata"]["name"]);
}

#[tokio::test]
async fn a_taken_name_is_refused() {
    let world = World::start().await;
    world.grant("g", json!({})).await;

    let seen = world.post(GRANTS, &grant("g", json!({}))).await;

    assert_eq!(seen.failure(), (409, "AlreadyExists", "accessgrants.skupper.io \"g\" already exists"));
    let elsewhere = GRANTS.replace("west", "edge");
    assert_eq!(world.post(&elsewhere, &grant("g", json!({}))).await.status, 201);
}

#[tokio::test]
async fn all_faults_of_an_object_come_at_once() {
    let world = World::start().await;

    let seen = world
        .post(
            GRANTS,
            &grant("G", json!({"redemptionsAllowed": -1, "expirationWindow": "iamnotaduration", "code": "ä"})),
        )
        .await;

    assert_eq!(seen.failure().0, 422);
    assert_eq!(seen.json["details"]["kind"], "AccessGrant");
    let causes = seen.json["details"]["causes"].as_array().unwrap();
    let received: Vec<(&str, &str)> =
        causes.iter().map(|c| (c["field"].as_str().unwrap(), c["message"].as_str().unwrap())).collect();
    assert_eq!(received.len(), 4);
    assert_eq!(received[0].0, "metadata.name");
    assert_eq!(received[1], ("spec.redemptionsAllowed", "Invalid value: -1: must be at least 1"));
    assert_eq!(
        received[2],
        ("spec.expirationWindow", "Invalid duration \"iamnotaduration\": time: invalid duration \"iamnotaduration\"")
    );
    assert_eq!(received[3], ("spec.code", "Invalid value: must consist of visible ASCII characters, without blanks"));
}

#[tokio::test]
async fn a_code_that_the_redeem_listener_could_not_take_is_refused_and_not_repeated() {
    let world = World::start().await;
    let code = "c".repeat(1025);

    let seen = world.post(GRANTS, &grant("g", json!({"code": code}))).await;

    assert_eq!(seen.failure().0, 422);
    assert_eq!(seen.json["details"]["causes"][0]["field"], "spec.code");
    assert!(!seen.text.contains(&code));
}

#[tokio::test]
async fn what_was_refused_was_not_stored() {
    let world = World::start().await;
    for spec in [json!({"redemptionsAllowed": "1"}), json!({"expirationWindow": "0"}), json!({"bogus": 1}), json!([])] {
        let path = format!("{GRANTS}?fieldValidation=Strict");
        assert!(world.post(&path, &grant("g", spec)).await.status >= 400);
    }
    assert_eq!(world.get(GRANTS).await.object()["items"], json!([]));
}

#[tokio::test]
async fn unknown_fields_are_refused_warned_of_or_dropped_as_asked() {
    let world = World::start().await;
    let path = |mode: &str| format!("{GRANTS}?fieldValidation={mode}");

    let strict = world.post(&path("Strict"), &grant("a", json!({"bogus": 1}))).await;
    let warned = world.post(GRANTS, &grant("b", json!({"bogus": 1}))).await;
    let ignored = world.post(&path("Ignore"), &grant("c", json!({"bogus": 1}))).await;

    let text = "AccessGrant in version \"v2alpha1\" cannot be handled as a AccessGrant: strict decoding error: unknown \
                field \"spec.bogus\"";
    assert_eq!(strict.failure(), (400, "BadRequest", text));
    assert_eq!((warned.status, warned.header("warning")), (201, "299 - \"unknown field \\\"spec.bogus\\\"\""));
    assert_eq!((ignored.status, ignored.header("warning")), (201, ""));
    assert!(warned.json["spec"].get("bogus").is_none());
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_stores_nothing() {
    let world = World::start().await;
    let path = format!("{GRANTS}?dryRun=All");

    let seen = world.post(&path, &grant("g", json!({"redemptionsAllowed": 2}))).await;

    assert_eq!(seen.status, 201);
    assert_eq!(seen.json["spec"]["redemptionsAllowed"], 2);
    assert_eq!(world.post(&path, &grant("g", json!({"code": "mine"}))).await.status, 201);
    for spec in [json!({"redemptionsAllowed": -2}), json!({"code": "c".repeat(1025)})] {
        assert_eq!(world.post(&path, &grant("g", spec.clone())).await.status, 422, "{spec}");
    }
    assert_eq!(world.get(&format!("{GRANTS}/g")).await.status, 404);
    world.grant("g", json!({})).await;
    assert_eq!(world.post(&path, &grant("g", json!({}))).await.failure().1, "AlreadyExists");
    assert_eq!(world.post(&format!("{GRANTS}?dryRun=Some"), &grant("h", json!({}))).await.status, 400);
}

#[tokio::test]
async fn an_object_of_another_type_or_place_is_refused() {
    let world = World::start().await;
    let mut elsewhere = grant("g", json!({}));
    elsewhere["metadata"]["namespace"] = "east".into();
    let mut versioned = grant("g", json!({}));
    versioned["metadata"]["resourceVersion"] = "5".into();
    for (body, text) in [
        (elsewhere, "the namespace of the provided object does not match the namespace sent on the request"),
        (versioned, "resourceVersion should not be set on objects to be created"),
        (json!({"metadata": {"name": "g"}}), "Object 'Kind' is missing"),
        (
            json!({"apiVersion": "skupper.io/v1", "kind": "AccessGrant"}),
            "the API version in the data (skupper.io/v1) does not match the expected API version (skupper.io/v2alpha1)",
        ),
        (
            json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Site"}),
            "Site in version \"v2alpha1\" cannot be handled as a AccessGrant",
        ),
    ] {
        assert_eq!(world.post(GRANTS, &body).await.failure(), (400, "BadRequest", text), "{body}");
    }
}

#[tokio::test]
async fn bodies_that_are_not_json_objects_are_refused() {
    let world = World::start().await;
    let send = async |content_type: &str, body: &str| world.send(Method::POST, GRANTS, content_type, body).await;

    assert_eq!(send("application/json", "apiVersion: v1").await.failure().0, 400);
    assert_eq!(send("application/json", "").await.failure().0, 400);
    assert_eq!(send("application/json; charset=utf-8", &grant("g", json!({})).to_string()).await.status, 201);
    assert_eq!(send("Application/JSON", &grant("h", json!({})).to_string()).await.status, 201);
    for other in ["application/yaml", "application/vnd.kubernetes.protobuf", "text/plain", "\u{e4}"] {
        assert_eq!(send(other, "{}").await.failure().1, "UnsupportedMediaType", "{other}");
    }
}

#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_refused() {
    let world = World::start().await;
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(1024 * 1024));
    let seen = world.send(Method::POST, GRANTS, "application/json", &body).await;
    assert_eq!(seen.failure(), (413, "RequestEntityTooLarge", "Request entity too large: limit is 1048576"));
}

#[tokio::test]
async fn a_refusal_repeats_only_so_much_of_what_it_refuses() {
    let world = World::start().await;
    let long = "X".repeat(500_000);
    let name = world.post(GRANTS, &grant(&long, json!({}))).await;
    let stage = world.delete(&format!("{GRANTS}/g"), &json!({"dryRun": [long]})).await;
    for (seen, code) in [(name, 422), (stage, 400)] {
        assert_eq!(seen.failure().0, code);
        assert!(seen.text.len() < 8 * 1024, "{code}: {} bytes", seen.text.len());
    }
}

#[tokio::test]
async fn impersonation_of_another_user_is_refused() {
    let world = World::start().await;
    let request = Request::builder().uri(GRANTS).header("Impersonate-User", "bob");
    let seen = world.request(request.body(http_body_util::Full::default()).unwrap()).await;
    assert_eq!(seen.failure(), (403, "Forbidden", "impersonation is not supported by this server"));
}

#[tokio::test]
async fn a_client_is_asked_to_retry_when_the_store_does_not_answer() {
    let world = World::start().await;
    world.app.close().await.unwrap();

    let seen = world.post(GRANTS, &grant("g", json!({}))).await;

    assert_eq!(seen.failure().0, 503);
    assert_eq!(seen.header("retry-after"), "1");
    assert_eq!(world.get(GRANTS).await.failure().0, 503);
}

#[tokio::test]
async fn a_grant_that_cannot_lead_to_a_link_says_why() {
    let world = World::start().await;
    let at = async |namespace: &str, spec: Value| {
        world.post(&GRANTS.replace("west", namespace), &grant("g", spec)).await.object()
    };
    let table = [
        (at("edge", json!({})).await, "Processed", "Edge sites cannot accept incoming links from remote sites"),
        (at("west", json!({"issuer": "other"})).await, "Processed", "Could not get issuer for requested certificate"),
        (at("nowhere", json!({})).await, "Resolved", "Site not yet defined for nowhere"),
        (at("bare", json!({})).await, "Resolved", "No valid endpoints found for site"),
    ];
    for (object, failed, message) in table {
        assert_eq!((&object["status"]["status"], &object["status"]["message"]), (&json!("Error"), &json!(message)));
        for name in [failed, "Ready"] {
            let condition = condition(&object, name);
            assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("Error")), "{name}");
            assert_eq!(condition["message"], message);
        }
    }
}
