//! Hostile input: requests that are too many, too long, too large, or meant for another server.

use std::{
    io,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::Full;
use hyper::{Method, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{GRANTS, World, causes, manifest};
use crate::{
    kube::{access::caller::Peer, fuzzing},
    pki::AdminUser,
};

const WEST: &str = "/apis/skupper.io/v2alpha1/namespaces/west";
const SECRETS: &str = "/api/v1/namespaces/west/secrets";

/// What is written to a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn strangers_write_no_line_into_the_log() {
    let world = World::start().await;
    let log = Log::default();
    let written = log.clone();
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::fmt().with_writer(move || written.clone()).finish());
    let delete = |peer| {
        let request = Request::delete(format!("{GRANTS}/stranger")).body(Full::default()).unwrap();
        world.request_of(peer, request)
    };
    let lines = || String::from_utf8_lossy(&log.0.lock().unwrap()).matches("stranger").count();

    let user = AdminUser { name: "alice".parse().unwrap(), scope: "grantd:*:write".parse().unwrap() };
    for peer in [Peer::Unauthenticated, Peer::Revoked(user)] {
        assert_eq!(delete(peer).await.status, 401);
    }
    assert_eq!(lines(), 0);

    assert_eq!(delete(Peer::Owner { uid: 0 }).await.status, 404);
    assert_eq!(lines(), 1);
}

fn endpoint() -> Value {
    json!({"name": "edge", "host": "a", "port": "1"})
}

fn link(endpoints: &Value) -> Value {
    manifest("Link", "l", &json!({"endpoints": endpoints}))
}

#[tokio::test]
async fn a_link_has_at_most_128_endpoints_and_none_is_null() {
    let (world, links) = (World::start().await, format!("{WEST}/links"));
    let seen = world.post(&links, &link(&json!([endpoint(), null]))).await;
    let wrong = "Invalid value: \"null\": spec.endpoints[1] in body must be of type object: \"null\"";
    assert_eq!(causes(&seen), [("spec.endpoints[1]", wrong)]);
    let seen = world.post(&links, &link(&vec![endpoint(); 129].into())).await;
    assert_eq!(causes(&seen), [("spec.endpoints", "Too many: 129: must have at most 128 items")]);
    world.post(&links, &link(&vec![endpoint(); 128].into())).await.object();
    let more = json!([{"op": "copy", "from": "/spec/endpoints/0", "path": "/spec/endpoints/-"}]).to_string();
    let seen = world.send(Method::PATCH, &format!("{links}/l"), "application/json-patch+json", &more).await;
    assert_eq!(seen.failure().0, 422);
}

#[tokio::test]
async fn patches_do_not_add_up_to_an_object_of_any_length() {
    let world = World::start().await;
    let sites = "/apis/skupper.io/v2alpha1/namespaces/other/sites";
    world.post(sites, &manifest("Site", "s", &json!({}))).await.object();
    let (one, long) = (format!("{sites}/s"), "x".repeat(1_000_000));
    // Each of them alone is valid.
    for field in ["defaultIssuer", "linkAccess", "serviceAccount"] {
        let seen = world.patch(&one, &json!({"spec": {field: long}})).await;
        assert_eq!(seen.status, 200, "{}", &seen.text[..seen.text.len().min(300)]);
    }
    let seen = world.patch(&one, &json!({"spec": {"settings": {"a": long[..200_000]}}})).await;
    assert_eq!(seen.failure(), (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"));
}

#[tokio::test]
async fn maps_of_texts_have_a_size_whatever_the_type() {
    let (world, big) = (World::start().await, "x".repeat(256 * 1024));
    let table = [
        ("Link", json!({"endpoints": [endpoint()], "settings": {"a": big}}), "spec.settings"),
        ("Link", json!({"endpoints": [endpoint()]}), "metadata.annotations"),
        ("Site", json!({}), "metadata.annotations"),
    ];
    for (kind, spec, field) in table {
        let mut object = manifest(kind, "l", &spec);
        if field == "metadata.annotations" {
            object["metadata"]["annotations"] = json!({"a": big});
        }
        let seen = world.post(&format!("{WEST}/{}s", kind.to_lowercase()), &object).await;
        assert_eq!(causes(&seen), [(field, "Too long: may not be more than 262144 bytes")], "{kind}");
    }
}

#[tokio::test]
async fn names_end_at_253_bytes_and_have_no_other_characters() {
    let world = World::start().await;
    let secret = |name: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
    let longest = format!("{}.{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
    assert_eq!(longest.len(), 253);
    world.post(SECRETS, &secret(&longest)).await.object();
    assert_eq!(world.get(&format!("{SECRETS}/{longest}")).await.status, 200);
    for name in [format!("{longest}d"), "ä".to_owned(), "a\u{0}".to_owned(), "а".to_owned(), "a%2Fb".to_owned()] {
        assert_eq!(causes(&world.post(SECRETS, &secret(&name)).await)[0].0, "metadata.name", "{name}");
    }
    for path in ["%C3%A4", "a%00", "a%2Fb", "..%2Fx", "%FF", "%"] {
        let status = world.get(&format!("{SECRETS}/{path}")).await.status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
}

#[tokio::test]
async fn numbers_without_measure_are_no_costs_and_no_ports() {
    let (world, links) = (World::start().await, format!("{WEST}/links"));
    for cost in ["4294967296", "18446744073709551616", "-1", "1e9", "1.0", "0"] {
        let mut text = link(&json!([endpoint()])).to_string();
        text.truncate(text.rfind('}').unwrap());
        let body = text.replacen("\"spec\":{", &format!("\"spec\":{{\"cost\":{cost},"), 1) + "}";
        let seen = world.send(Method::POST, &links, "application/json", &body).await;
        assert_eq!(causes(&seen)[0].0, "spec.cost", "{cost}");
    }
    let beyond = "{\"a\":1e400}";
    assert_eq!(world.send(Method::POST, &links, "application/json", beyond).await.failure().0, 400);
    for port in ["65536", "18446744073709551616", "-1", "+1", "1.0", " 1", "１"] {
        let seen = world.post(&links, &link(&json!([{"name": "edge", "host": "a", "port": port}]))).await;
        assert_eq!(causes(&seen)[0].0, "spec.endpoints[0].port", "{port}");
    }
}

#[tokio::test]
async fn options_beyond_all_measure_are_refused_or_bounded() {
    let world = World::start().await;
    world.app.draining();
    let table = [
        ("watch=1&resourceVersion=18446744073709551616", 400),
        ("watch=1&resourceVersion=18446744073709551615", 200),
        ("watch=1&resourceVersion=-1", 400),
        ("watch=1&timeoutSeconds=18446744073709551615", 200),
        ("watch=1&timeoutSeconds=18446744073709551616", 400),
        ("watch=1&timeout=9223372036854775807ns", 200),
        ("watch=1&timeout=9223372036854775808ns", 400),
        ("limit=-1", 400),
        ("limit=0", 200),
        ("limit=4294967295", 200),
        ("limit=4294967296", 400),
        ("limit=%31", 200),
        ("limit=%3", 400),
        ("labelSelector=%00", 400),
        ("fieldSelector=metadata.name%3D%C3%A4", 200),
        ("continue=AAAA", 400),
    ];
    for collection in [GRANTS.to_owned(), SECRETS.to_owned(), format!("{WEST}/links"), format!("{WEST}/sites")] {
        for (query, status) in table {
            let seen = world.get(&format!("{collection}?{query}")).await;
            assert_eq!(seen.status, status, "{collection}?{query}: {}", seen.text);
        }
    }
}

#[tokio::test]
async fn a_selector_of_thousands_of_terms_is_answered() {
    let world = World::start().await;
    world.post(SECRETS, &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})).await.object();
    let many = |term: &str| vec![term; 10_000].join(",");
    for query in [
        format!("labelSelector={}", many("!a")),
        format!("labelSelector=a+notin+({})", many("b")),
        format!("fieldSelector={}", vec!["type!=x"; 7_000].join(",")),
    ] {
        let items = world.get(&format!("{SECRETS}?{query}")).await.object()["items"].as_array().unwrap().len();
        assert_eq!(items, 1);
    }
}

#[tokio::test]
async fn a_forged_token_leads_no_client_into_the_future_or_into_another_list() {
    let world = World::start().await;
    for name in ["a", "b"] {
        world.grant(name, json!({})).await;
        world.post(SECRETS, &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})).await.object();
    }
    let token = world.get(&format!("{GRANTS}?limit=1")).await.object()["metadata"]["continue"].clone();
    let elsewhere = world.get(&format!("{SECRETS}?continue={}", token.as_str().unwrap())).await;
    assert_eq!(elsewhere.failure(), (400, "BadRequest", "continue key is not valid: it is that of another list"));

    let names = |list: &Value| -> Vec<Value> {
        list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].clone()).collect()
    };
    let head = world.get(SECRETS).await.object()["metadata"]["resourceVersion"].clone();
    for place in ["east/a", "aaaa/zz"] {
        let forged = URL_SAFE_NO_PAD.encode(format!("2/secrets/west/{}/{place}", u64::MAX));
        let list = world.get(&format!("{SECRETS}?continue={forged}")).await.object();
        assert!(names(&list).iter().all(|name| name == "a" || name == "b"), "{list}");
        assert_eq!(list["metadata"]["resourceVersion"], head);
    }
    // A name that a Secret can have and a grant cannot.
    let long = ["a".repeat(63).as_str(); 4].join(".");
    let long = URL_SAFE_NO_PAD.encode(format!("2/accessgrants/west/1/west/{}", &long[..250]));
    assert_eq!(world.get(&format!("{GRANTS}?continue={long}")).await.failure().0, 400);
}

#[tokio::test]
async fn nesting_ends_somewhere_in_every_body() {
    let world = World::start().await;
    let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for collection in [GRANTS, SECRETS] {
        assert_eq!(world.send(Method::POST, collection, "application/json", &deep).await.failure().0, 400);
    }
}

proptest! {
    #[test]
    fn whatever_is_read_is_shown_and_read_as_the_same(
        choice in 0..6_u8, bytes in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        fuzzing::objects(&[&[choice], bytes.as_slice()].concat());
    }

    #[test]
    fn no_query_breaks_a_watch(
        query in "((resourceVersion|resourceVersionMatch|sendInitialEvents|timeoutSeconds|timeout|allowWatchBookmarks|\
                  limit|continue|labelSelector|fieldSelector|includeObject|dryRun)=(0|1|-1|[0-9]{20}|true|NotOlderThan|\
                  [0-9]{1,19}(ns|h)|type%3Dx|[!-%'-~]{0,6})&){0,5}",
        path in ".{0,40}",
    ) {
        fuzzing::address(&path, &query);
    }

    #[test]
    fn no_bytes_break_a_body_or_a_patch(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzzing::body(&bytes);
        fuzzing::operations(&bytes);
        fuzzing::protobuf(&bytes);
    }
}

proptest! {
    // Each case is several bodies of up to a quarter of a megabyte.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_body_becomes_more_than_its_length_allows(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        fuzzing::bounds(&bytes);
    }
}
