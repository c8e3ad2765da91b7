use super::world::{Seen, World};
use serde_json::{Value, json};

const NAMESPACES: &str = "/api/v1/namespaces";

async fn create(world: &World, query: &str, metadata: Value) -> Seen {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "spec": {}, "status": {}});
    world.post(&format!("{NAMESPACES}{query}"), &object).await
}

#[tokio::test]
async fn the_namespaces_of_sites_and_the_default_one_are_listed() {
    let world = World::start().await;
    let names = async |query: &str| {
        let list = world.get(&format!("{NAMESPACES}{query}")).await.object();
        assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("NamespaceList"), &json!("v1")));
        assert!(list["metadata"]["resourceVersion"].is_string());
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("?limit=500").await, ["bare", "default", "edge", "west"]);
    assert_eq!(names("?fieldSelector=metadata.name%3Dwest").await, ["west"]);
}

#[tokio::test]
async fn what_is_made_is_there_as_it_was_before() {
    let world = World::start().await;
    for query in ["", "?dryRun=All", ""] {
        let seen = create(&world, query, json!({"name": "new"})).await;
        assert_eq!((seen.status, seen.header("warning")), (201, ""));
        let object = seen.object();
        assert_eq!(object, world.get(&format!("{NAMESPACES}/new")).await.object());
    }
    let listed = world.get(NAMESPACES).await;
    assert!(!listed.text.contains("\"new\""), "{}", listed.text);
}

#[tokio::test]
async fn what_is_listed_cannot_be_made() {
    let world = World::start().await;
    for name in ["west", "default"] {
        let seen = create(&world, "", json!({"name": name})).await;
        let message = format!("namespaces \"{name}\" already exists");
        assert_eq!(seen.failure(), (409, "AlreadyExists", message.as_str()));
        assert_eq!(seen.json["details"], json!({"name": name, "kind": "namespaces"}));
    }
}

#[tokio::test]
async fn what_can_be_no_namespace_is_refused() {
    let world = World::start().await;
    for metadata in
        [json!({}), json!({"name": "No_Space"}), json!({"name": 1}), json!({"generateName": "x"}), json!(null)]
    {
        assert_eq!(create(&world, "", metadata.clone()).await.failure().0, 400, "{metadata}");
    }
    assert_eq!(create(&world, "?dryRun=Some", json!({"name": "new"})).await.failure().0, 400);
    let strict = create(&world, "?fieldValidation=Strict", json!({"name": "new", "bogus": 1})).await;
    assert_eq!(strict.failure().0, 400);
    assert_eq!(world.delete(&format!("{NAMESPACES}/west"), &Value::Null).await.failure().0, 405);
}

#[tokio::test]
async fn what_is_not_kept_is_warned_of() {
    let world = World::start().await;
    let seen = create(&world, "", json!({"name": "new", "labels": {"a": "b"}})).await;
    assert_eq!(seen.status, 201);
    assert!(seen.header("warning").contains("labels and annotations are not kept"));
}

#[tokio::test]
async fn there_are_no_events() {
    let world = World::start().await;
    let path = format!("{NAMESPACES}/west/events?fieldSelector=involvedObject.name%3Dg&limit=500");
    let list = world.get(&path).await.object();
    assert_eq!((&list["kind"], &list["items"]), (&json!("EventList"), &json!([])));
    assert!(list["metadata"]["resourceVersion"].is_string());
}
