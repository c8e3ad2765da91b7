use super::world::{World, condition, grant};
use serde_json::{Value, json};

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
async fn sites_of_the_configuration_cannot_be_changed_here() {
    let world = World::start().await;
    let one = format!("{SITES}/west-site");
    let before = world.get(&one).await.object();
    let read_only = "sites.skupper.io \"west-site\" is forbidden: it comes from the server's configuration and cannot be \
                     changed here";
    for seen in [
        world.put(&one, &before).await,
        world.patch(&one, &json!({"metadata": {"labels": {"a": "b"}}})).await,
        world.delete(&one, &json!(null)).await,
    ] {
        assert_eq!(seen.failure(), (403, "Forbidden", read_only));
    }
    let taken = "sites.skupper.io \"s\" is forbidden: namespace west has the site west-site of the server's \
                 configuration, which cannot be changed here";
    assert_eq!(world.post(SITES, &site("s", json!({}))).await.failure(), (403, "Forbidden", taken));
    assert_eq!(world.get(&one).await.object(), before);
}

const EAST: &str = "/apis/skupper.io/v2alpha1/namespaces/east/sites";

fn site(name: &str, spec: Value) -> Value {
    let mut site = grant(name, spec);
    site["kind"] = "Site".into();
    site
}

#[tokio::test]
async fn a_site_that_is_made_here_has_the_configured_endpoints_and_issuer() {
    let world = World::start().await;
    let configured = world.get("/apis/skupper.io/v2alpha1/namespaces/west/sites/west-site").await.object();

    let made = world.post(EAST, &site("east", json!({"linkAccess": "default"}))).await.object();

    assert_eq!(made["status"]["endpoints"], configured["status"]["endpoints"]);
    assert_eq!(made["status"]["defaultIssuer"], configured["status"]["defaultIssuer"]);
    assert_eq!((&made["status"]["status"], &made["status"]["message"]), (&json!("Ready"), &json!("OK")));
    assert_eq!(condition(&made, "Resolved")["status"], "True");
    let grants = "/apis/skupper.io/v2alpha1/namespaces/east/accessgrants";
    let granted = world.post(grants, &grant("g", json!({}))).await.object();
    assert_eq!(condition(&granted, "Ready")["status"], "True");
}

#[tokio::test]
async fn what_is_made_of_a_site_follows_what_is_wanted_of_it() {
    let world = World::start().await;
    let one = format!("{EAST}/east");
    world.post(EAST, &site("east", json!({}))).await.object();
    let grants = "/apis/skupper.io/v2alpha1/namespaces/east/accessgrants";
    let granted = async || world.get(&format!("{grants}/g")).await.object()["status"]["message"].clone();
    let made = world.post(grants, &grant("g", json!({}))).await.object();
    assert_eq!(made["status"]["message"], "No valid endpoints found for site");

    world.patch(&one, &json!({"spec": {"linkAccess": "route"}})).await.object();
    assert_eq!(granted().await, "OK");

    let edge = world.patch(&one, &json!({"spec": {"edge": true}})).await.object();
    assert_eq!((&edge["metadata"]["generation"], &edge["spec"]["edge"]), (&json!(3), &json!(true)));
    assert_eq!(granted().await, "Edge sites cannot accept incoming links from remote sites");

    let other = json!({"spec": {"edge": null, "defaultIssuer": "unknown"}});
    let faulty = world.patch(&one, &other).await.object();
    assert_eq!(faulty["status"]["message"], "Could not get issuer for requested certificate");

    world.delete(&one, &json!(null)).await.object();
    assert_eq!(granted().await, "Site not yet defined for east");
}

#[tokio::test]
async fn a_namespace_has_one_site() {
    let world = World::start().await;
    world.post(EAST, &site("east", json!({}))).await.object();

    let refused = world.post(EAST, &site("other", json!({}))).await;

    let why = "sites.skupper.io \"other\" is forbidden: namespace east has a site already, east: there is one site a \
               namespace";
    assert_eq!(refused.failure(), (403, "Forbidden", why));
    assert_eq!(world.post(EAST, &site("east", json!({}))).await.failure().1, "AlreadyExists");
    let all = world.get("/apis/skupper.io/v2alpha1/sites?limit=2").await.object();
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let rest = all["metadata"]["continue"].as_str().unwrap();
    let rest = world.get(&format!("/apis/skupper.io/v2alpha1/sites?limit=2&continue={rest}")).await.object();
    let names = |list: &Value| {
        list["items"].as_array().unwrap().iter().map(|s| s["metadata"]["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!([names(&all), names(&rest)].concat(), ["bare-site", "east", "edge-site", "west-site"]);
}

#[tokio::test]
async fn a_site_that_is_made_here_outlives_a_restart() {
    let world = World::start().await;
    world.post(EAST, &site("east", json!({"linkAccess": "default"}))).await.object();

    let world = world.restart().await;

    let shown = world.get(&format!("{EAST}/east")).await.object();
    assert_eq!(shown["status"]["status"], "Ready", "{shown}");
}
