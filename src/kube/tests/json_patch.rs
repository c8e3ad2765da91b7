use super::world::{GRANTS, Seen, World};
use hyper::Method;
use serde_json::{Value, json};

const G: &str = "/apis/skupper.io/v2alpha1/namespaces/west/accessgrants/g";
const JSON_PATCH: &str = "application/json-patch+json";

async fn patch(world: &World, path: &str, operations: &Value) -> Seen {
    world.send(Method::PATCH, path, JSON_PATCH, &operations.to_string()).await
}

#[tokio::test]
async fn operations_change_what_they_name_and_nothing_else() {
    let world = World::start().await;
    let before = world.grant("g", json!({"redemptionsAllowed": 2, "settings": {"a": "1", "b": "2"}})).await;

    let operations = json!([
        {"op": "test", "path": "/spec/redemptionsAllowed", "value": 2},
        {"op": "replace", "path": "/spec/redemptionsAllowed", "value": 5},
        {"op": "move", "from": "/spec/settings/a", "path": "/spec/settings/c~1d"},
        {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}},
    ]);
    let after = patch(&world, G, &operations).await.object();

    assert_eq!(after["spec"]["redemptionsAllowed"], 5);
    assert_eq!(after["spec"]["settings"], json!({"b": "2", "c/d": "1"}));
    assert_eq!(after["metadata"]["labels"], json!({"x": "y"}));
    assert_eq!(after["status"]["code"], before["status"]["code"]);
    assert_eq!(world.get(G).await.object(), after);
    assert_eq!(patch(&world, G, &json!([])).await.object(), after);
}

#[tokio::test]
async fn an_operation_that_cannot_be_done_leaves_the_grant_as_it_is() {
    let world = World::start().await;
    let before = world.grant("g", json!({"code": "canary"})).await;
    let change = json!({"op": "replace", "path": "/spec/redemptionsAllowed", "value": 5});
    let table = [
        (
            json!({"op": "test", "path": "/spec/code", "value": "tried"}),
            "test at \"/spec/code\": the value is another one",
        ),
        (json!({"op": "remove", "path": "/spec/issuer"}), "remove at \"/spec/issuer\": there is no such place"),
    ];
    for (operation, why) in table {
        let seen = patch(&world, G, &json!([change, operation])).await;
        let message = format!("the server rejected our request due to an error in our request: patch[1]: {why}");
        assert_eq!(seen.failure(), (422, "Invalid", message.as_str()));
        let cause = json!({"field": "patch[1]", "reason": "FieldValueInvalid", "message": why});
        let details = json!({"name": "g", "group": "skupper.io", "kind": "AccessGrant", "causes": [cause]});
        assert_eq!(seen.json["details"], details);
        assert!(!seen.text.contains("canary") && !seen.text.contains("tried"), "{}", seen.text);
        assert_eq!(world.get(G).await.object(), before);
    }
}

#[tokio::test]
async fn what_operations_make_is_held_against_the_rules() {
    let world = World::start().await;
    world.grant("g", json!({})).await;
    let table = [
        (json!({"op": "replace", "path": "/spec/redemptionsAllowed", "value": -1}), 422),
        (json!({"op": "add", "path": "/spec/code", "value": "other"}), 422),
        (json!({"op": "add", "path": "/spec/bogus", "value": 1}), 400),
        (json!({"op": "replace", "path": "/metadata/name", "value": "h"}), 400),
        (json!({"op": "replace", "path": "/metadata/uid", "value": "87426fa9-5623-49af-a612-47d33b7a4200"}), 409),
        (json!({"op": "replace", "path": "", "value": []}), 400),
        (json!({"op": "remove", "path": "/metadata"}), 422),
    ];
    for (operation, code) in table {
        let seen = patch(&world, &format!("{G}?fieldValidation=Strict"), &json!([operation])).await;
        assert_eq!(seen.failure().0, code, "{operation} {}", seen.text);
    }
}

#[tokio::test]
async fn operations_for_another_version_are_refused() {
    let world = World::start().await;
    let version = world.grant("g", json!({})).await["metadata"]["resourceVersion"].clone();
    let more = |n: u32| json!({"op": "replace", "path": "/spec/redemptionsAllowed", "value": n});
    let naming = |op: &str| json!({"op": op, "path": "/metadata/resourceVersion", "value": version});

    assert_eq!(patch(&world, G, &json!([naming("test"), more(2)])).await.status, 200);
    assert_eq!(patch(&world, G, &json!([naming("test"), more(3)])).await.failure().1, "Invalid");
    assert_eq!(patch(&world, G, &json!([naming("replace"), more(3)])).await.failure().1, "Conflict");
    assert_eq!(world.get(G).await.object()["spec"]["redemptionsAllowed"], 2);
}

#[tokio::test]
async fn operations_that_meet_redemptions_are_tried_again() {
    let world = World::start().await;
    let object = world.grant("g", json!({"redemptionsAllowed": 100})).await;
    let redemptions = async {
        for _ in 0..10 {
            world.redeem(&object).await;
        }
    };
    let patches = async {
        for n in 0..10 {
            let operation = json!({"op": "add", "path": "/metadata/labels", "value": {"n": n.to_string()}});
            assert_eq!(patch(&world, G, &json!([operation])).await.status, 200);
        }
    };

    tokio::join!(redemptions, patches);

    let after = world.get(G).await.object();
    assert_eq!((&after["status"]["redemptions"], &after["metadata"]["labels"]["n"]), (&json!(10), &json!("9")));
}

#[tokio::test]
async fn what_is_no_list_of_operations_is_refused() {
    let world = World::start().await;
    world.grant("g", json!({})).await;
    for body in [json!({}), json!([1]), json!([{"op": "test", "path": "/a"}]), json!([{"op": "x", "path": ""}])] {
        assert_eq!(patch(&world, G, &body).await.failure().0, 400, "{body}");
    }
    let twice = r#"[{"op":"remove","path":"/spec/a","path":"/spec/b"}]"#;
    assert_eq!(world.send(Method::PATCH, G, JSON_PATCH, twice).await.failure().0, 400);
    let many = Value::from(vec![json!({"op": "test", "path": "", "value": {}}); 1001]);
    let received = "Request entity too large: the allowed maximum operations in a JSON patch is 1000, got 1001";
    assert_eq!(patch(&world, G, &many).await.failure(), (413, "RequestEntityTooLarge", received));
    assert_eq!(patch(&world, &format!("{GRANTS}/nope"), &json!([])).await.failure().0, 404);
}

#[tokio::test]
async fn a_dry_run_of_operations_keeps_the_grant() {
    let world = World::start().await;
    let before = world.grant("g", json!({})).await;
    let operations = json!([{"op": "replace", "path": "/spec/redemptionsAllowed", "value": 9}]);

    let shown = patch(&world, &format!("{G}?dryRun=All"), &operations).await.object();

    assert_eq!(shown["spec"]["redemptionsAllowed"], 9);
    assert_eq!(world.get(G).await.object(), before);
}
