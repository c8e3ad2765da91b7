//! Whatever is sent, the answer is an answer, and what is stored is valid.

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
        Just(GRANTS.to_owned()),
        Just(format!("{GRANTS}/g")),
        Just(format!("{GRANTS}/g/redemptions")),
        prop::collection::vec(segment, 0..5).prop_map(|s| format!("/apis/skupper.io/v2alpha1/{}", s.join("/"))),
        prop::collection::vec(segment, 0..4).prop_map(|s| format!("/{}", s.join("/"))),
    ];
    (path, prop::collection::vec(query, 0..3)).prop_map(|(path, query)| format!("{path}?{}", query.join("&")))
}

#[derive(Debug, Clone)]
enum Sent {
    Whole(Value),
    Spec(Value, Value),
    Bytes(Vec<u8>),
}

fn any_body() -> impl Strategy<Value = Sent> {
    prop_oneof![
        any_json().prop_map(Sent::Whole),
        (any_json(), any_json()).prop_map(|(metadata, spec)| Sent::Spec(metadata, spec)),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Sent::Bytes),
    ]
}

impl Sent {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Whole(value) => value.to_string().into_bytes(),
            Self::Spec(metadata, spec) => {
                let mut body = grant("g", spec);
                if let Value::Object(more) = metadata {
                    body["metadata"].as_object_mut().unwrap().extend(more);
                }
                body.to_string().into_bytes()
            }
            Self::Bytes(bytes) => bytes,
        }
    }
}

#[test]
fn no_request_breaks_the_api_or_stores_what_is_not_valid() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::start());
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD];
    let types = ["application/json", "application/merge-patch+json", ""];
    let strategy =
        (prop::sample::select(methods.to_vec()), any_path(), prop::sample::select(types.to_vec()), any_body());
    let mut runner = TestRunner::new(ProptestConfig { cases: 400, ..ProptestConfig::default() });

    let outcome = runner.run(&strategy, |(method, path, content_type, body)| {
        let request = Request::builder().method(method).uri(&path).header("content-type", content_type);
        // What hyper would not read as a request never comes so far.
        let Ok(request) = request.body(http_body_util::Full::from(body.bytes())) else { return Ok(()) };
        let seen = runtime.block_on(world.request(request));
        prop_assert!((200..500).contains(&seen.status), "{} {}", seen.status, seen.text);
        if seen.status >= 400 && seen.header("content-type") == "application/json" {
            prop_assert_eq!(&seen.json["kind"], &json!("Status"));
            prop_assert_eq!(&seen.json["code"], &json!(seen.status));
        }
        Ok(())
    });

    outcome.unwrap();
    let list = runtime.block_on(world.get("/apis/skupper.io/v2alpha1/accessgrants"));
    assert_eq!(list.header("warning"), "", "a stored grant is corrupt");
    for item in list.object()["items"].as_array().unwrap() {
        let spec = &item["spec"];
        assert!((1..=i64::from(i32::MAX)).contains(&spec["redemptionsAllowed"].as_i64().unwrap()), "{spec}");
        // What is shown can be sent again.
        let again = json!({
            "apiVersion": item["apiVersion"], "kind": item["kind"], "spec": spec,
            "metadata": {"generateName": "again-", "labels": item["metadata"]["labels"]},
        });
        let path = format!(
            "/apis/skupper.io/v2alpha1/namespaces/{}/accessgrants",
            item["metadata"]["namespace"].as_str().unwrap()
        );
        let seen = runtime.block_on(world.post(&format!("{path}?fieldValidation=Strict"), &again));
        assert_eq!(seen.status, 201, "{} {again}", seen.text);
    }
}
