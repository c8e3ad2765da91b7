use super::world::{GRANTS, World};
use serde_json::{Value, json};

const G: &str = "/apis/skupper.io/v2alpha1/namespaces/west/accessgrants/g";

#[tokio::test]
async fn a_removed_grant_is_gone() {
    let world = World::start().await;
    let object = world.grant("g", json!({})).await;

    let seen = world.delete(G, &json!({"propagationPolicy": "Background"})).await;

    let expected = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": "g", "group": "skupper.io", "kind": "accessgrants", "uid": object["metadata"]["uid"]},
    });
    assert_eq!(seen.object(), expected);
    assert_eq!(world.get(G).await.failure().1, "NotFound");
    assert_eq!(world.delete(G, &Value::Null).await.failure().1, "NotFound");
}

#[tokio::test]
async fn preconditions_protect_a_grant() {
    let world = World::start().await;
    let object = world.grant("g", json!({})).await;
    let (uid, version) = (&object["metadata"]["uid"], &object["metadata"]["resourceVersion"]);

    for wrong in [
        json!({"uid": "87426fa9-5623-49af-a612-47d33b7a4200"}),
        json!({"resourceVersion": "999"}),
        json!({"uid": uid, "resourceVersion": "999"}),
    ] {
        let seen = world.delete(G, &json!({"preconditions": wrong})).await;
        assert_eq!(seen.failure().1, "Conflict", "{wrong}");
    }
    assert_eq!(world.delete(G, &json!({"preconditions": {"uid": 7}})).await.failure().0, 400);
    assert_eq!(world.get(G).await.status, 200);
    assert_eq!(world.delete(G, &json!({"preconditions": {"uid": uid, "resourceVersion": version}})).await.status, 200);
}

#[tokio::test]
async fn a_dry_run_removes_nothing() {
    let world = World::start().await;
    world.grant("g", json!({})).await;
    assert_eq!(world.delete(G, &json!({"dryRun": ["All"]})).await.status, 200);
    assert_eq!(world.delete(&format!("{G}?dryRun=All"), &Value::Null).await.status, 200);
    assert_eq!(world.get(G).await.status, 200);
}

#[tokio::test]
async fn everything_at_once_cannot_be_removed() {
    let world = World::start().await;
    world.grant("g", json!({})).await;
    let seen = world.delete(GRANTS, &Value::Null).await;
    assert_eq!(seen.failure().1, "MethodNotAllowed");
    assert_eq!(seen.header("allow"), "POST, GET");
    assert_eq!(world.get(G).await.status, 200);
}

#[tokio::test]
async fn the_ledger_of_a_grant_can_be_read_page_by_page() {
    let world = World::start().await;
    let object = world.grant("g", json!({"redemptionsAllowed": 3})).await;
    assert_eq!(world.get(&format!("{G}/redemptions")).await.object()["items"], json!([]));
    for _ in 0..3 {
        world.redeem(&object).await;
    }

    let first = world.get(&format!("{G}/redemptions?limit=2")).await.object();
    let rest = world.get(&format!("{G}/redemptions?limit=2&continue=2")).await.object();

    assert_eq!((&first["kind"], &first["metadata"]), (&json!("RedemptionList"), &json!({"continue": "2"})));
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    assert_eq!(rest["metadata"], json!({}));
    let row = &rest["items"][0];
    assert_eq!((&row["ordinal"], &row["name"], &row["subject"]), (&json!(3), &json!("west-link"), &json!("east")));
    assert_eq!((&row["peer"], &row["redeemedAt"]), (&json!("10.0.0.1"), &json!("2023-11-14T22:13:20Z")));
    assert_eq!((row["serial"].as_str().unwrap().len(), row["keyFingerprint"].as_str().unwrap().len()), (32, 64));
    assert!(row["notAfter"].as_str().unwrap().starts_with("2028-11-"));
    assert_eq!(world.get(&format!("{G}/redemptions?continue=x")).await.failure().0, 400);
    assert_eq!(world.get(&format!("{GRANTS}/nope/redemptions")).await.failure().1, "NotFound");
    assert_eq!(world.delete(&format!("{G}/redemptions"), &Value::Null).await.failure().0, 405);
}
