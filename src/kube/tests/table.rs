use http_body_util::Full;
use hyper::{
    HeaderMap, Request,
    header::{ACCEPT, HeaderValue, WARNING},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{GRANTS, NOW, Seen, World, grant};
use crate::{
    kube::{
        catalog::access_grant::ACCESS_GRANTS,
        wire::{
            negotiation::{as_table, table_form},
            query::Query,
            reply::Reply,
        },
    },
    time::Timestamp,
};

const SITES: &str = "/apis/skupper.io/v2alpha1/namespaces/west/sites";
/// The `Accept` header of `kubectl get`.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,\
                     application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
const CODE: &str = "a-code-that-must-stay-secret";

async fn accepting(world: &World, accept: &str, path: &str) -> Seen {
    world.request(Request::builder().uri(path).header(ACCEPT, accept).body(Full::default()).unwrap()).await
}

async fn table(world: &World, path: &str) -> Value {
    let table = accepting(world, TABLE, path).await.object();
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    table
}

fn headings(table: &Value) -> Vec<(&str, &str)> {
    let columns = table["columnDefinitions"].as_array().unwrap();
    columns.iter().map(|column| (column["name"].as_str().unwrap(), column["type"].as_str().unwrap())).collect()
}

/// A grant with a given code, and with an annotation that repeats the code, as `kubectl apply` writes it.
async fn world_with_codes() -> World {
    let world = World::start().await;
    for name in ["a", "b"] {
        let mut body = grant(name, json!({"redemptionsAllowed": 3, "code": format!("{CODE}-{name}")}));
        body["metadata"]["labels"] = json!({"side": "left"});
        let applied = body.to_string();
        body["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": applied});
        world.post(GRANTS, &body).await.object();
    }
    world
}

#[tokio::test]
async fn grants_are_a_table_for_clients_that_ask_for_one() {
    let world = world_with_codes().await;
    let a = world.get(&format!("{GRANTS}/a")).await.object();
    world.redeem(&a).await;
    let list = world.get(GRANTS).await.object();

    let table = table(&world, GRANTS).await;

    let expected = [
        ("Name", "string"),
        ("Redemptions Allowed", "integer"),
        ("Redemptions Made", "integer"),
        ("Expiration", "string"),
        ("Status", "string"),
        ("Message", "string"),
    ];
    assert_eq!(headings(&table), expected);
    assert_eq!(table["rows"][0]["cells"], json!(["a", 3, 1, a["status"]["expirationTime"], "Ready", "OK"]));
    assert_eq!(table["rows"][1]["cells"][2], 0);
    assert_eq!(table["metadata"], list["metadata"]);
}

#[tokio::test]
async fn sites_are_a_table_with_nothing_where_nothing_is_known() {
    let world = World::start().await;
    let table = table(&world, SITES).await;
    let expected = [("Name", "string"), ("Status", "string"), ("Sites In Network", "integer"), ("Message", "string")];
    assert_eq!(headings(&table), expected);
    assert_eq!(table["rows"][0]["cells"], json!(["west-site", "Ready", null, "OK"]));
    assert_eq!(table["rows"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_row_names_its_object_and_keeps_its_secrets() {
    let world = world_with_codes().await;
    let whole = world.get(&format!("{GRANTS}/a")).await.object();
    let expected = |version: &str| {
        let mut metadata = whole["metadata"].clone();
        metadata.as_object_mut().unwrap().remove("annotations");
        json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": metadata})
    };

    for path in [
        GRANTS.to_owned(),
        format!("{GRANTS}/a"),
        format!("{GRANTS}?includeObject=Metadata"),
        format!("{GRANTS}?includeObject="),
        "/apis/skupper.io/v2alpha1/accessgrants".to_owned(),
    ] {
        let seen = accepting(&world, TABLE, &path).await;
        assert!(!seen.text.contains(CODE), "{path}: {}", seen.text);
        assert_eq!(seen.object()["rows"][0]["object"], expected("meta.k8s.io/v1"), "{path}");
    }
    let metadata = &expected("meta.k8s.io/v1")["metadata"];
    assert_eq!((&metadata["namespace"], &metadata["labels"]), (&json!("west"), &json!({"side": "left"})));
    let beta = accepting(&world, "application/json;as=Table;v=v1beta1;g=meta.k8s.io", GRANTS).await.object();
    assert_eq!(beta["apiVersion"], "meta.k8s.io/v1beta1");
    assert_eq!(beta["rows"][0]["object"], expected("meta.k8s.io/v1beta1"));
}

#[tokio::test]
async fn rows_hold_whole_objects_or_none_when_asked_to() {
    let world = world_with_codes().await;
    let list = world.get(GRANTS).await.object();

    let whole = table(&world, &format!("{GRANTS}?includeObject=Object")).await;
    let bare = table(&world, &format!("{GRANTS}?includeObject=None")).await;

    assert_eq!(whole["rows"][1]["object"], list["items"][1]);
    assert_eq!(bare["rows"][1].get("object"), None);
    assert_eq!(bare["rows"][1]["cells"], whole["rows"][1]["cells"]);
    let seen = accepting(&world, TABLE, &format!("{GRANTS}?includeObject=All")).await;
    let message = "includeObject: Unsupported value: \"All\": supported values: \"Metadata\", \"None\", \"Object\"";
    assert_eq!(seen.failure(), (400, "BadRequest", message));
}

#[tokio::test]
async fn one_object_is_a_table_of_one_row_with_its_version() {
    let world = world_with_codes().await;
    let object = world.get(&format!("{GRANTS}/b")).await.object();

    let table = table(&world, &format!("{GRANTS}/b")).await;

    assert_eq!(table["metadata"], json!({"resourceVersion": object["metadata"]["resourceVersion"]}));
    assert_eq!(table["rows"].as_array().unwrap().len(), 1);
    assert_eq!(table["rows"][0]["cells"][0], "b");
}

#[tokio::test]
async fn a_table_comes_in_pages_like_a_list() {
    let world = world_with_codes().await;
    let first = table(&world, &format!("{GRANTS}?limit=1")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();

    let second = table(&world, &format!("{GRANTS}?limit=1&continue={token}")).await;

    assert_eq!((&first["rows"][0]["cells"][0], &second["rows"][0]["cells"][0]), (&json!("a"), &json!("b")));
    assert_eq!(second["metadata"].get("continue"), None);
    assert_eq!(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
    let none = table(&world, &GRANTS.replace("west", "nowhere")).await;
    assert_eq!((&none["rows"], headings(&none).len()), (&json!([]), 6));
}

#[tokio::test]
async fn the_first_form_that_can_be_served_is_served() {
    const V1: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let world = world_with_codes().await;
    for (accept, kind) in [
        (V1.to_owned(), "Table"),
        ("Application/JSON ; G=meta.k8s.io; V=v1 ;AS=Table".to_owned(), "Table"),
        (format!("text/html, {V1}"), "Table"),
        (format!("application/json;as=Table;v=v2;g=meta.k8s.io,{V1}"), "Table"),
        (format!("application/json;q=0, {V1};q=0.5"), "Table"),
        (format!("application/json, {V1}"), "AccessGrantList"),
        (format!("*/*, {V1}"), "AccessGrantList"),
        (format!("{V1};q=0.0, application/json"), "AccessGrantList"),
        ("application/json;as=Table;v=v1;g=example.com".to_owned(), "AccessGrantList"),
        ("application/json;as=Table".to_owned(), "AccessGrantList"),
        ("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io".to_owned(), "AccessGrantList"),
        ("application/vnd.kubernetes.protobuf".to_owned(), "AccessGrantList"),
        (String::new(), "AccessGrantList"),
    ] {
        let seen = accepting(&world, &accept, GRANTS).await;
        assert_eq!(seen.header("content-type"), "application/json", "{accept}");
        assert_eq!(seen.object()["kind"], kind, "{accept}");
    }
    let two_headers = Request::builder().uri(GRANTS).header(ACCEPT, "text/html").header(ACCEPT, V1);
    assert_eq!(world.request(two_headers.body(Full::default()).unwrap()).await.object()["kind"], "Table");
}

#[tokio::test]
async fn what_is_no_object_stays_what_it_is() {
    let world = world_with_codes().await;
    for (path, kind) in [
        (format!("{GRANTS}/nope"), "Status"),
        (format!("{GRANTS}?limit=x"), "Status"),
        (format!("{GRANTS}/a/redemptions"), "RedemptionList"),
        ("/api/v1/namespaces/west".to_owned(), "Namespace"),
        ("/apis/skupper.io/v2alpha1".to_owned(), "APIResourceList"),
    ] {
        assert_eq!(accepting(&world, TABLE, &path).await.json["kind"], kind, "{path}");
    }
    let create = Request::post(GRANTS).header(ACCEPT, TABLE).body(Full::from(grant("c", json!({})).to_string()));
    assert_eq!(world.request(create.unwrap()).await.object()["kind"], "AccessGrant");
}

#[test]
fn warnings_are_kept() {
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(TABLE))]);
    let form = table_form(&headers, &Query::read("").unwrap()).unwrap().unwrap();
    let object = Reply::ok(json!({"metadata": {"resourceVersion": "1"}}));

    let warned = Reply { warnings: vec!["a grant is not shown".to_owned()], ..object };
    let reply = as_table(form, &ACCESS_GRANTS, warned, Timestamp::from_unix_seconds(NOW));

    let answer = reply.into_answer();
    assert_eq!(answer.headers()[WARNING], "299 - \"a grant is not shown\"");
}

proptest! {
    #[test]
    fn no_accept_header_panics(
        text in prop_oneof![
            "((application/json|\\*/\\*|text/html)|;|,|=| |as|Table|v1|g|q|0|meta.k8s.io|.){0,20}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..60),
        ],
        query in "(includeObject=.{0,6})?",
    ) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&text) {
            headers.insert(ACCEPT, value);
        }
        if let Ok(query) = Query::read(&query) {
            let _ = table_form(&headers, &query);
        }
    }
}
