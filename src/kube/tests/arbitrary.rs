//! Property tests: every request gets a valid answer, and every stored object is valid.

use std::cell::Cell;

use hyper::{Method, Request};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use super::world::{GRANTS, World, grant};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_i64..5).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{1,4}".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["15m0s", "1h", "-1s", "AccessGrant", "skupper.io/v2alpha1"]).prop_map(Value::from),
    ];
    let key = "apiVersion|kind|metadata|spec|status|name|generateName|namespace|uid|resourceVersion|labels|annotations|\
               code|issuer|settings|redemptionsAllowed|expirationWindow|dryRun|preconditions|[a-z]{1,3}";
    leaf.prop_recursive(3, 20, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn any_path() -> impl Strategy<Value = String> {
    let segment = "namespaces|west|east|accessgrants|sites|redemptions|g|%[0-9a-f]{2}|[!-.0-~]{0,6}";
    let query = "(limit|continue|labelSelector|fieldSelector|watch|dryRun|fieldValidation|[a-z]{1,3})=[!-%'-~]{0,8}";
    let path = prop_oneof![
        3 => Just(GRANTS.to_owned()),
        2 => "[a-g][a-z]?".prop_map(|name| format!("{GRANTS}/{name}")),
        1 => Just(format!("{GRANTS}/g/redemptions")),
        1 => prop::collection::vec(segment, 0..5).prop_map(|s| format!("/apis/skupper.io/v2alpha1/{}", s.join("/"))),
        1 => prop::collection::vec(segment, 0..4).prop_map(|s| format!("/{}", s.join("/"))),
    ];
    (path, prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(query, 0..3)])
        .prop_map(|(path, query)| format!("{path}?{}", query.join("&")))
}

/// A value for a field: mostly absent or valid, and sometimes arbitrary.
fn mostly(good: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![20 => Just(None), 20 => good.prop_map(Some), 1 => any_json().prop_map(Some)]
}

fn likely_grant() -> impl Strategy<Value = Value> {
    let texts = || prop::collection::btree_map("[a-z]{1,3}", "[a-z]{0,3}", 0..3).prop_map(|m| json!(m));
    let metadata = (mostly(texts()), mostly(texts()), mostly(Just(json!("west"))));
    let spec = (
        mostly((0_i64..4).prop_map(Value::from)),
        mostly(prop::sample::select(vec!["15m0s", "1.5h", "10ns", "µs"]).prop_map(Value::from)),
        mostly("[!-~]{1,8}".prop_map(Value::from)),
        mostly("[a-z]{1,3}".prop_map(Value::from)),
        mostly(texts()),
    );
    ("[a-g][a-z]?", metadata, spec).prop_map(|(name, metadata, spec)| {
        let mut body = grant(&name, json!({}));
        let mut put = |part: &str, field: &str, value: Option<Value>| {
            if let Some(value) = value {
                body[part][field] = value;
            }
        };
        put("metadata", "labels", metadata.0);
        put("metadata", "annotations", metadata.1);
        put("metadata", "namespace", metadata.2);
        put("spec", "redemptionsAllowed", spec.0);
        put("spec", "expirationWindow", spec.1);
        put("spec", "code", spec.2);
        put("spec", "issuer", spec.3);
        put("spec", "settings", spec.4);
        body
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => likely_grant().prop_map(|value| value.to_string().into_bytes()),
        1 => any_json().prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ]
}

/// A grant as it is shown can be sent again to create another grant.
fn again(shown: &Value) -> Value {
    json!({
        "apiVersion": shown["apiVersion"], "kind": shown["kind"], "spec": shown["spec"],
        "metadata": {
            "name": "again", "labels": shown["metadata"]["labels"], "annotations": shown["metadata"]["annotations"],
        },
    })
}

#[test]
fn no_request_breaks_the_api_or_stores_what_is_not_valid() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::start());
    // A server that is stopping ends watches at once.
    world.app.draining();
    let methods = [Method::GET, Method::POST, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD];
    let types = [
        None,
        None,
        None,
        Some("application/json"),
        Some("application/merge-patch+json"),
        Some("application/json-patch+json"),
        Some(""),
    ];
    let strategy =
        (prop::sample::select(methods.to_vec()), any_path(), prop::sample::select(types.to_vec()), any_body());
    let config = ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() };
    let stored = Cell::new(0);

    let outcome = TestRunner::new(config).run(&strategy, |(method, path, content_type, body)| {
        let usual = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let content_type = content_type.unwrap_or(usual);
        let request = Request::builder().method(method).uri(&path).header("content-type", content_type);
        // hyper refuses these requests before they reach this code.
        let Ok(request) = request.body(http_body_util::Full::from(body)) else { return Ok(()) };
        let seen = runtime.block_on(world.request(request));
        prop_assert!((200..500).contains(&seen.status), "{} {}", seen.status, seen.text);
        if seen.status >= 400 && seen.header("content-type") == "application/json" {
            prop_assert_eq!(&seen.json["kind"], &json!("Status"));
            prop_assert_eq!(&seen.json["code"], &json!(seen.status));
        }
        if seen.status < 400 && seen.json["kind"] == "AccessGrant" {
            stored.set(stored.get() + 1);
            let path = format!("{GRANTS}?fieldValidation=Strict&dryRun=All");
            let sent_again = runtime.block_on(world.post(&path, &again(&seen.json)));
            prop_assert_eq!(sent_again.status, 201, "{} {}", sent_again.text, seen.text);
        }
        Ok(())
    });

    outcome.unwrap();
    assert!(stored.get() > 5, "nothing was put to the test");
    let list = runtime.block_on(world.get("/apis/skupper.io/v2alpha1/accessgrants"));
    assert_eq!((list.status, list.header("warning")), (200, ""), "a stored grant is corrupt");
}
