use super::world::{World, condition};
use serde_json::json;

/// docs/protocol.md section 5.5.
#[tokio::test]
async fn the_calls_of_skupper_token_issue_are_answered_as_it_needs() {
    let world = World::start().await;
    let base = "/apis/skupper.io/v2alpha1/namespaces/west";
    let name = "west-site-12f75bc8-5dda-4256-88f8-9df48150281a";

    for path in ["/apis/route.openshift.io/v1", "/apis/apps.openshift.io/v1"] {
        assert_eq!(world.get(path).await.status, 404);
    }
    let grants = world.get(&format!("{base}/accessgrants")).await.object();
    assert_eq!((&grants["kind"], &grants["items"]), (&json!("AccessGrantList"), &json!([])));
    let sites = world.get(&format!("{base}/sites")).await.object();
    let site = &sites["items"][0];
    assert_eq!(condition(site, "Ready")["status"], "True");
    assert!(!site["status"]["endpoints"].as_array().unwrap().is_empty());
    let missing = world.get(&format!("{base}/accessgrants/{name}")).await;
    assert_eq!(missing.failure().1, "NotFound");
    let body = json!({
        "kind": "AccessGrant", "apiVersion": "skupper.io/v2alpha1",
        "metadata": {"name": name, "creationTimestamp": null},
        "spec": {"redemptionsAllowed": 1, "expirationWindow": "15m0s"}, "status": {},
    });
    assert_eq!(world.post(&format!("{base}/accessgrants"), &body).await.status, 201);
    let grant = world.get(&format!("{base}/accessgrants/{name}")).await.object();
    assert_eq!(condition(&grant, "Ready")["status"], "True");
    for field in ["url", "code", "ca"] {
        assert!(!grant["status"][field].as_str().unwrap().is_empty(), "{field}");
    }
}
