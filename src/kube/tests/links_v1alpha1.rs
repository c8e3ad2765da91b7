use hyper::Method;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::world::{World, causes, manifest};
use crate::{
    grant::Revision,
    kube::{
        kinds::{
            links, links_v1alpha1,
            stored::{Body, StoredKind},
        },
        problem::faults::Faults,
    },
    store::{ObjectContent, ObjectKey, ObjectKind, ObjectWrite, StoredObject},
    time::Timestamp,
};

const NEW: &str = "/apis/skupper.io/v2alpha1/namespaces/west/links";
const OLD: &str = "/apis/skupper.io/v1alpha1/namespaces/west/links";

fn old(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "skupper.io/v1alpha1", "kind": "Link", "metadata": {"name": name}, "spec": spec})
}

#[tokio::test]
async fn a_link_in_the_oldest_form_is_a_link() {
    let world = World::start().await;
    let spec = json!({
        "tlsSecret": "east", "cost": 3,
        "options": {"inter-router-host": "east", "inter-router-port": "55671", "edge-host": "::1", "edge-port": "1", "x": "y"},
    });

    let created = world.post(OLD, &old("l", &spec)).await.object();

    assert_eq!((&created["apiVersion"], &created["spec"]), (&json!("skupper.io/v1alpha1"), &spec));
    assert_eq!(created["status"], json!({"configured": false, "url": "east:55671", "status": "Not Operational"}));
    let new = world.get(&format!("{NEW}/l")).await.object();
    assert_eq!(
        new["spec"],
        json!({
            "tlsCredentials": "east", "cost": 3, "settings": {"x": "y"},
            "endpoints": [
                {"name": "inter-router", "host": "east", "port": "55671"}, {"name": "edge", "host": "::1", "port": "1"},
            ],
        })
    );
    assert_eq!(new["metadata"], created["metadata"]);
    let list = world.get(OLD).await.object();
    assert_eq!((&list["apiVersion"], &list["items"][0]), (&json!("skupper.io/v1alpha1"), &created));
    assert_eq!(world.get(&format!("{OLD}/l/status")).await.object(), created);
    assert_eq!(world.delete(&format!("{OLD}/l"), &json!(null)).await.status, 200);
    assert_eq!(world.get(&format!("{NEW}/l")).await.status, 404);
}

#[tokio::test]
async fn what_the_oldest_form_cannot_say_stays_when_it_is_changed() {
    let world = World::start().await;
    let spec = json!({
        "endpoints": [
            {"name": "edge", "host": "a", "port": "1", "group": "g"},
            {"name": "inter-router", "host": "b", "port": "2", "group": "g"},
            {"name": "edge", "host": "c", "port": "3", "group": "h"},
        ],
        "settings": {"edge-host": "hidden", "k": "v"},
    });
    let before = world.post(NEW, &manifest("Link", "l", &spec)).await.object();
    let one = format!("{OLD}/l");

    let same = world.patch(&one, &json!({"spec": {"options": {"edge-host": "a"}}})).await.object();
    assert_eq!(same["metadata"], before["metadata"]);
    let patch = json!({"spec": {"cost": 4, "options": {"edge-host": "z", "k": null, "inter-router-host": null, "inter-router-port": null}}});
    let changed = world.patch(&one, &patch).await.object();

    assert_eq!(changed["spec"], json!({"cost": 4, "options": {"edge-host": "z", "edge-port": "1"}}));
    assert_eq!((&changed["metadata"]["generation"], &changed["status"]["url"]), (&json!(2), &json!("z:1")));
    assert_eq!(
        world.get(&format!("{NEW}/l")).await.object()["spec"],
        json!({
            "cost": 4, "settings": {"edge-host": "hidden"},
            "endpoints": [
                {"name": "edge", "host": "z", "port": "1", "group": "g"},
                {"name": "edge", "host": "c", "port": "3", "group": "h"},
            ],
        })
    );
    let options = json!({"spec": {"options": {"inter-router-host": "n", "inter-router-port": "9"}}});
    world.patch(&one, &options).await.object();
    let endpoint = json!({"name": "inter-router", "host": "n", "port": "9", "group": "g"});
    assert_eq!(world.get(&format!("{NEW}/l")).await.object()["spec"]["endpoints"][2], endpoint);
}

#[tokio::test]
async fn the_status_is_shown_in_the_oldest_form_and_stays_when_the_link_changes() {
    let world = World::start().await;
    let spec = json!({"endpoints": [{"name": "edge", "host": "::1", "port": "1"}]});
    world.post(NEW, &manifest("Link", "l", &spec)).await.object();
    let key = ObjectKey { kind: ObjectKind::Link, namespace: "west".parse().unwrap(), name: "l".parse().unwrap() };
    let stored = world.app.object(key.clone()).await.unwrap().unwrap();
    let mut content = stored.content.clone();
    let status = json!({
        "status": "Ready", "message": "OK", "remoteSiteName": "east",
        "conditions": [{"type": "Configured", "status": "True"}, {"type": "Operational", "status": "True"}],
    });
    content.body.insert("status".to_owned(), status.clone());
    let (expected, generation) = (stored.revision, stored.generation);
    let write = ObjectWrite::Update { key, expected, generation, content, labels_before: None };
    world.app.write_object(write).await.unwrap();

    let seen = world.get(&format!("{OLD}/l")).await.object();
    assert_eq!(seen["status"], json!({"configured": true, "url": "[::1]:1", "site": "east", "status": "OK"}));
    let patched =
        world.patch(&format!("{OLD}/l"), &json!({"spec": {"cost": 2}, "status": {"site": "x"}})).await.object();
    assert_eq!((&patched["status"], &patched["metadata"]["generation"]), (&seen["status"], &json!(2)));
    assert_eq!(world.get(&format!("{NEW}/l")).await.object()["status"], status);
}

#[tokio::test]
async fn every_fault_of_the_oldest_form_is_reported_at_once() {
    let world = World::start().await;
    let wrong = json!({"tlsSecret": "A", "cost": -1, "options": {"inter-router-host": "a:1", "edge-port": "0"}});
    let seen = world.post(OLD, &old("l", &wrong)).await;
    let fields: Vec<&str> = causes(&seen).into_iter().map(|(field, _)| field).collect();
    let expected = [
        "spec.cost",
        "spec.options.edge-host",
        "spec.options.edge-port",
        "spec.options.inter-router-host",
        "spec.options.inter-router-port",
        "spec.tlsSecret",
    ];
    assert_eq!(fields, expected);
    let seen = world.post(OLD, &old("l", &json!({"options": {"a": "b"}}))).await;
    assert_eq!(causes(&seen)[0].0, "spec.options");
    let wrong_version = world.post(OLD, &manifest("Link", "l", &json!({}))).await;
    assert_eq!(wrong_version.failure().0, 400);
    assert_eq!(
        world.send(Method::PATCH, &format!("{OLD}/l/status"), "application/merge-patch+json", "{}").await.status,
        403
    );
}

fn stored(body: Body) -> StoredObject {
    StoredObject {
        key: ObjectKey { kind: ObjectKind::Link, namespace: "west".parse().unwrap(), name: "l".parse().unwrap() },
        uid: uuid::Uuid::nil(),
        generation: 1,
        revision: Revision(1),
        created_at: Timestamp::from_unix_seconds(0),
        content: ObjectContent { body, ..ObjectContent::default() },
    }
}

fn read(kind: &StoredKind, members: &Map<String, Value>) -> Body {
    let mut faults = Faults::default();
    let body = (kind.read_spec)(&mut faults, members);
    assert!(faults.causes.is_empty(), "{:?}", faults.causes);
    body
}

fn body(spec: Value) -> Body {
    [("spec".to_owned(), spec)].into_iter().collect()
}

fn endpoint() -> impl Strategy<Value = Value> {
    ("inter-router|edge", "[a-z]{1,4}|::1", 1..9_u16, proptest::option::of("[a-z]{0,3}")).prop_map(
        |(name, host, port, group)| {
            let mut endpoint = json!({"name": name, "host": host, "port": port.to_string()});
            if let Some(group) = group {
                endpoint["group"] = group.into();
            }
            endpoint
        },
    )
}

fn new_spec() -> impl Strategy<Value = Value> {
    let settings = proptest::collection::btree_map("[a-c]|edge-host|inter-router-port", "[a-z]{0,3}", 0..4);
    let parts = (
        proptest::collection::vec(endpoint(), 1..5),
        proptest::option::of("[a-z]{0,4}"),
        proptest::option::of(1..9_u32),
        proptest::option::of(settings),
    );
    parts.prop_map(|(endpoints, credentials, cost, settings)| {
        let mut spec = json!({"endpoints": endpoints});
        for (name, value) in
            [("tlsCredentials", json!(credentials)), ("cost", json!(cost)), ("settings", json!(settings))]
        {
            if !value.is_null() {
                spec[name] = value;
            }
        }
        spec
    })
}

proptest! {
    #[test]
    fn a_link_that_is_shown_in_the_oldest_form_and_written_back_is_the_same(spec in new_spec()) {
        let before = read(&links::STORED, &body(spec));
        let shown = links_v1alpha1::shown(&stored(before.clone()));
        let spec = read(&links_v1alpha1::STORED, &shown);
        prop_assert_eq!((links_v1alpha1::STORED.keep)(spec, &before), before);
    }

    #[test]
    fn what_is_changed_in_the_oldest_form_is_shown_as_it_was_written(
        before in new_spec(), host in "[a-z]{1,4}", port in 1..9_u16, cost in 1..9_u32, role in "inter-router|edge",
        option in proptest::option::of("[a-z]{1,3}"),
    ) {
        let before = read(&links::STORED, &body(before));
        let mut spec = json!({"tlsSecret": "s", "cost": cost, "options": {}});
        spec["options"][format!("{role}-host")] = host.into();
        spec["options"][format!("{role}-port")] = port.to_string().into();
        if let Some(option) = option {
            spec["options"]["z"] = option.into();
        }
        let written = read(&links_v1alpha1::STORED, &body(spec.clone()));
        let after = (links_v1alpha1::STORED.keep)(written, &before);
        prop_assert_eq!(&links_v1alpha1::shown(&stored(after.clone()))["spec"], &spec);
        let (after, before) = (after["spec"].clone(), before["spec"].clone());
        let of_role = |spec: &Value| -> Vec<Value> {
            let all = spec["endpoints"].as_array().unwrap().iter();
            all.filter(|endpoint| endpoint["name"] == role.as_str()).map(|endpoint| endpoint["group"].clone()).collect()
        };
        if !of_role(&before).is_empty() {
            prop_assert_eq!(of_role(&after), of_role(&before), "the groups of the endpoints changed");
        }
        for name in ["edge-host", "inter-router-port"] {
            prop_assert_eq!(&after["settings"][name], &before["settings"][name]);
        }
    }
}
