use super::world::{World, condition, grant};
use serde_json::json;

const SITES: &str = "/apis/skupper.io/v2alpha1/namespaces/west/sites";

#[tokio::test]
async fn a_site_shows_where_links_lead_and_that_it_is_ready() {
    let world = World::start().await;

    let site = world.get(&format!("{SITES}/west-site")).await.object();

    assert_eq!((&site["kind"], &site["metadata"]["name"]), (&json!("Site"), &json!("west-site")));
    assert_eq!(site["spec"], json!({"defaultIssuer": "skupper-site-ca", "linkAccess": "default"}));
    assert_eq!(
        site["status"]["endpoints"],
        json!([
            {"name": "inter-router", "host": "west.example.com", "port": "55671", "group": "skupper-router"},
            {"name": "edge", "host": "west.example.com", "port": "45671", "group": "skupper-router"},
        ])
    );
    assert_eq!(site["status"]["defaultIssuer"], "skupper-site-ca");
    for name in ["Configured", "Running", "Resolved", "Ready"] {
        assert_eq!(condition(&site, name)["status"], "True", "{name}");
    }
    assert_eq!(site["metadata"]["uid"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn sites_are_listed_and_selected_like_everything_else() {
    let world = World::start().await;
    let names = async |path: &str| {
        let list = world.get(path).await.object();
        assert_eq!(list["kind"], "SiteList");
        assert!(list["metadata"]["resourceVersion"].is_string());
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(SITES).await, ["west-site"]);
    assert_eq!(names("/apis/skupper.io/v2alpha1/sites").await, ["bare-site", "edge-site", "west-site"]);
    let selected = "/apis/skupper.io/v2alpha1/sites?fieldSelector=metadata.name%3Dedge-site";
    assert_eq!(names(selected).await, ["edge-site"]);
    assert_eq!(names("/apis/skupper.io/v2alpha1/sites?labelSelector=a").await, [""; 0]);
    assert_eq!(world.get(&format!("{SITES}/other")).await.failure().2, "sites.skupper.io \"other\" not found");
}

#[tokio::test]
async fn an_edge_site_says_so() {
    let world = World::start().await;
    let site = world.get("/apis/skupper.io/v2alpha1/namespaces/edge/sites/edge-site").await.object();
    assert_eq!(site["spec"]["edge"], true);
}

#[tokio::test]
async fn sites_cannot_be_changed_here() {
    let world = World::start().await;
    let one = format!("{SITES}/west-site");
    for seen in [
        world.post(SITES, &grant("s", json!({}))).await,
        world.put(&one, &json!({})).await,
        world.patch(&one, &json!({})).await,
        world.delete(&one, &json!(null)).await,
    ] {
        let text = "sites come from the server's configuration and cannot be changed here";
        assert_eq!(seen.failure(), (405, "MethodNotAllowed", text));
    }
}
