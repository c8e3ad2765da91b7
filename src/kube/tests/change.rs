use super::world::{GRANTS, NOW, World, condition};
use crate::time::Timestamp;
use hyper::Method;
use serde_json::json;

const G: &str = "/apis/skupper.io/v2alpha1/namespaces/west/accessgrants/g";

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let world = World::start().await;
    let before = world.grant("g", json!({"redemptionsAllowed": 2, "settings": {"a": "1", "b": "2"}})).await;

    let after = world
        .patch(
            G,
            &json!({"metadata": {"labels": {"x": "y"}}, "spec": {"redemptionsAllowed": 5, "settings": {"a": null}}}),
        )
        .await
        .object();

    assert_eq!(after["spec"]["redemptionsAllowed"], 5);
    assert_eq!(after["spec"]["settings"], json!({"b": "2"}));
    assert_eq!(after["spec"]["expirationWindow"], before["spec"]["expirationWindow"]);
    assert_eq!(after["metadata"]["labels"], json!({"x": "y"}));
    assert_eq!(after["metadata"]["generation"], 2);
    assert_eq!(condition(&after, "Ready")["observedGeneration"], 2);
    assert_ne!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    for kept in ["uid", "creationTimestamp"] {
        assert_eq!(after["metadata"][kept], before["metadata"][kept]);
    }
    for kept in ["code", "url", "expirationTime"] {
        assert_eq!(after["status"][kept], before["status"][kept]);
    }
    assert_eq!(world.get(G).await.object(), after);
}

#[tokio::test]
async fn a_patch_that_changes_nothing_keeps_the_version() {
    let world = World::start().await;
    let before = world.grant("g", json!({"redemptionsAllowed": 2})).await;
    for patch in
        [json!({}), json!({"spec": {"redemptionsAllowed": 2}}), json!({"status": {"code": "x", "redemptions": 9}})]
    {
        assert_eq!(world.patch(G, &patch).await.object(), before, "{patch}");
    }
}

#[tokio::test]
async fn labels_alone_do_not_make_a_generation() {
    let world = World::start().await;
    world.grant("g", json!({})).await;
    let after = world.patch(G, &json!({"metadata": {"annotations": {"a": "b"}}})).await.object();
    assert_eq!(after["metadata"]["generation"], 1);
}

#[tokio::test]
async fn more_redemptions_revive_a_used_up_grant() {
    let world = World::start().await;
    let object = world.grant("g", json!({})).await;
    world.redeem(&object).await;
    let used_up = world.get(G).await.object();
    assert_eq!((&used_up["status"]["status"], &used_up["status"]["message"]), (&json!("Error"), &json!("Exhausted")));
    assert_eq!(condition(&used_up, "Ready")["reason"], "Exhausted");
    assert_eq!(used_up["status"]["redemptions"], 1);

    let revived = world.patch(G, &json!({"spec": {"redemptionsAllowed": 2}})).await.object();

    assert_eq!(revived["status"]["status"], "Ready");
    world.redeem(&object).await;
    assert_eq!(world.get(G).await.object()["status"]["redemptions"], 2);
}

#[tokio::test]
async fn fewer_redemptions_than_were_made_are_refused() {
    let world = World::start().await;
    let object = world.grant("g", json!({"redemptionsAllowed": 3})).await;
    world.redeem(&object).await;
    world.redeem(&object).await;

    for path in [G.to_owned(), format!("{G}?dryRun=All")] {
        let seen = world.patch(&path, &json!({"spec": {"redemptionsAllowed": 1}})).await;
        assert_eq!(
            seen.failure(),
            (
                422,
                "Invalid",
                "AccessGrant.skupper.io \"g\" is invalid: spec.redemptionsAllowed: Invalid value: 1: must be at least the 2 \
                 redemptions already made"
            )
        );
    }
    assert_eq!(world.patch(G, &json!({"spec": {"redemptionsAllowed": 2}})).await.status, 200);
}

#[tokio::test]
async fn an_expired_grant_says_so_and_since_when() {
    let world = World::start().await;
    world.grant("g", json!({"expirationWindow": "1m"})).await;
    world.clock.set(Timestamp::from_unix_seconds(NOW + 61));

    let object = world.get(G).await.object();

    let ready = condition(&object, "Ready");
    assert_eq!(
        (&ready["status"], &ready["reason"], &ready["message"]),
        (&json!("False"), &json!("Expired"), &json!("Expired"))
    );
    assert_eq!(ready["lastTransitionTime"], "2023-11-14T22:14:20Z");
    assert_eq!(condition(&object, "Resolved")["status"], "True");
}

#[tokio::test]
async fn another_window_is_kept_with_a_warning_and_moves_nothing() {
    let world = World::start().await;
    let before = world.grant("g", json!({})).await;

    let seen = world.patch(G, &json!({"spec": {"expirationWindow": "2h"}})).await;

    assert_eq!(
        seen.header("warning"),
        "299 - \"spec.expirationWindow counts from a grant's creation only; this one still expires at 2023-11-14T22:28:20Z\""
    );
    let after = seen.object();
    assert_eq!(after["spec"]["expirationWindow"], "2h");
    assert_eq!(after["status"]["expirationTime"], before["status"]["expirationTime"]);
}

#[tokio::test]
async fn a_code_cannot_change() {
    let world = World::start().await;
    let object = world.grant("g", json!({"code": "first-code"})).await;

    let seen = world.patch(G, &json!({"spec": {"code": "second-code"}})).await;

    assert_eq!(seen.failure().0, 422);
    assert_eq!(seen.json["details"]["causes"][0]["reason"], "FieldValueForbidden");
    assert!(!seen.text.contains("second-code"));
    assert_eq!(world.patch(G, &json!({"spec": {"code": "first-code"}})).await.object(), object);
}

#[tokio::test]
async fn what_an_object_is_cannot_change() {
    let world = World::start().await;
    world.grant("g", json!({})).await;
    let table = [
        (json!({"metadata": {"name": "h"}}), 400),
        (json!({"metadata": {"namespace": "east"}}), 400),
        (json!({"metadata": {"uid": "87426fa9-5623-49af-a612-47d33b7a4200"}}), 409),
        (json!({"kind": "Site"}), 400),
        (json!({"metadata": {"finalizers": ["a"]}}), 422),
        (json!({"metadata": null}), 422),
    ];
    for (patch, code) in table {
        assert_eq!(world.patch(G, &patch).await.failure().0, code, "{patch}");
    }
}

#[tokio::test]
async fn a_patch_for_another_version_is_a_conflict() {
    let world = World::start().await;
    let before = world.grant("g", json!({})).await;
    let version = before["metadata"]["resourceVersion"].clone();
    let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"redemptionsAllowed": 2}});

    assert_eq!(world.patch(G, &patch).await.status, 200);
    let seen = world.patch(G, &patch).await;

    assert_eq!(
        seen.failure(),
        (
            409,
            "Conflict",
            "Operation cannot be fulfilled on accessgrants.skupper.io \"g\": the object has been modified; please apply \
             your changes to the latest version and try again"
        )
    );
}

#[tokio::test]
async fn patches_that_meet_redemptions_are_tried_again() {
    let world = World::start().await;
    let object = world.grant("g", json!({"redemptionsAllowed": 100})).await;
    let redemptions = async {
        for _ in 0..10 {
            world.redeem(&object).await;
        }
    };
    let patches = async {
        for n in 0..10 {
            let patch = json!({"metadata": {"labels": {"n": n.to_string()}}});
            assert_eq!(world.patch(G, &patch).await.status, 200);
        }
    };

    tokio::join!(redemptions, patches);

    let after = world.get(G).await.object();
    assert_eq!((&after["status"]["redemptions"], &after["metadata"]["labels"]["n"]), (&json!(10), &json!("9")));
}

#[tokio::test]
async fn kinds_of_patch_that_are_not_served_are_refused_in_kubectls_words() {
    let world = World::start().await;
    world.grant("g", json!({})).await;
    let table = [
        ("application/apply-patch+yaml", "server-side apply is not supported; use kubectl apply without --server-side"),
        ("application/strategic-merge-patch+json", "use --type=merge or --type=json"),
    ];
    for (content_type, text) in table {
        let seen = world.send(Method::PATCH, G, content_type, "{}").await;
        assert_eq!(seen.failure(), (415, "UnsupportedMediaType", text));
    }
    assert_eq!(world.send(Method::PATCH, G, "application/json", "{}").await.status, 415);
    assert_eq!(world.send(Method::PATCH, G, "application/merge-patch+json", "[]").await.status, 400);
}

#[tokio::test]
async fn a_dry_run_of_a_patch_shows_the_result_and_keeps_the_grant() {
    let world = World::start().await;
    let before = world.grant("g", json!({})).await;

    let shown = world.patch(&format!("{G}?dryRun=All"), &json!({"spec": {"redemptionsAllowed": 9}})).await.object();

    assert_eq!(shown["spec"]["redemptionsAllowed"], 9);
    assert_eq!(shown["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(shown["metadata"]["generation"], 2);
    assert_eq!(world.get(G).await.object(), before);
    assert_eq!(world.patch(&format!("{G}?dryRun=All"), &json!({})).await.object(), before);
}

#[tokio::test]
async fn replacing_demands_the_version_that_is_replaced() {
    let world = World::start().await;
    let mut object = world.grant("g", json!({"settings": {"a": "b"}})).await;
    object["spec"] = json!({"redemptionsAllowed": 4, "expirationWindow": "15m0s"});
    let mut unversioned = object.clone();
    unversioned["metadata"].as_object_mut().unwrap().remove("resourceVersion");

    assert_eq!(world.put(G, &unversioned).await.failure().0, 422);
    let replaced = world.put(G, &object).await.object();
    assert_eq!(replaced["spec"], object["spec"]);
    assert_eq!(world.put(G, &object).await.failure().1, "Conflict");
    assert_eq!(world.put(&format!("{GRANTS}/h"), &object).await.failure().1, "NotFound");
}

#[tokio::test]
async fn what_is_not_there_cannot_change() {
    let world = World::start().await;
    let seen = world.patch(&format!("{GRANTS}/nope"), &json!({})).await;
    assert_eq!(seen.failure(), (404, "NotFound", "accessgrants.skupper.io \"nope\" not found"));
    assert_eq!(seen.json["details"], json!({"name": "nope", "group": "skupper.io", "kind": "accessgrants"}));
    assert_eq!(world.patch(&format!("{GRANTS}/No_Name"), &json!({})).await.failure().0, 404);
}
