use http_body_util::Full;
use hyper::{Request, header::ACCEPT};
use serde_json::{Value, json};

use super::world::{World, causes, manifest};

const LINKS: &str = "/apis/skupper.io/v2alpha1/namespaces/west/links";

fn spec() -> Value {
    json!({
        "endpoints": [
            {"name": "inter-router", "host": "east.example.com", "port": "55671", "group": "skupper-router"},
            {"name": "edge", "host": "10.1.1.1", "port": "45671", "group": "skupper-router"},
        ],
        "tlsCredentials": "east-link", "cost": 2, "settings": {"a": "b"},
    })
}

#[tokio::test]
async fn a_link_is_kept_as_it_was_written_and_pending_at_first() {
    let world = World::start().await;
    let created = world.post(LINKS, &manifest("Link", "l", &spec())).await.object();
    assert_eq!(created["spec"], spec());
    assert_eq!(created["status"], json!({"status": "Pending", "message": "Not Operational"}));
    assert_eq!(world.get(&format!("{LINKS}/l")).await.object(), created);
    assert_eq!(world.get(&format!("{LINKS}/l/status")).await.object(), created);

    let least = json!({"endpoints": [{"name": "edge", "host": "::1", "port": "1"}]});
    assert_eq!(world.post(LINKS, &manifest("Link", "m", &least)).await.object()["spec"], least);
}

#[tokio::test]
async fn every_fault_of_a_link_is_reported_at_once() {
    let world = World::start().await;
    let wrong = json!({
        "endpoints": [
            {"name": "router", "host": "a:1", "port": "0", "group": "a b"}, {"port": 55671}, "east.example.com",
        ],
        "tlsCredentials": "A", "cost": 0, "settings": [],
    });
    let seen = world.post(LINKS, &manifest("Link", "l", &wrong)).await;
    let fields: Vec<&str> = causes(&seen).into_iter().map(|(field, _)| field).collect();
    let expected = [
        "spec.cost",
        "spec.endpoints[0].group",
        "spec.endpoints[0].host",
        "spec.endpoints[0].name",
        "spec.endpoints[0].port",
        "spec.endpoints[1].host",
        "spec.endpoints[1].name",
        "spec.endpoints[1].port",
        "spec.endpoints[2]",
        "spec.settings",
        "spec.tlsCredentials",
    ];
    assert_eq!(fields, expected);

    for wrong in [json!({}), json!({"endpoints": null}), json!({"endpoints": []})] {
        let seen = world.post(LINKS, &manifest("Link", "l", &wrong)).await;
        assert_eq!(causes(&seen), [("spec.endpoints", "Required value: must be given")], "{wrong}");
    }
    let seen = world.post(LINKS, &manifest("Link", "l", &json!({"endpoints": {}}))).await;
    assert_eq!(causes(&seen)[0].0, "spec.endpoints");
}

#[tokio::test]
async fn links_are_a_table_of_what_is_known_of_them() {
    let world = World::start().await;
    world.post(LINKS, &manifest("Link", "l", &spec())).await.object();
    let table = async |path: &str| {
        let request = Request::builder().uri(path).header(ACCEPT, "application/json;as=Table;v=v1;g=meta.k8s.io");
        let table = world.request(request.body(Full::default()).unwrap()).await.object();
        let columns = table["columnDefinitions"].as_array().unwrap();
        let headings: Vec<String> = columns.iter().map(|column| column["name"].as_str().unwrap().to_owned()).collect();
        (headings.join(","), table["rows"][0]["cells"].clone())
    };
    let cells = json!(["l", "Pending", null, "Not Operational"]);
    assert_eq!(table(LINKS).await, ("Name,Status,Remote Site,Message".to_owned(), cells));
    let cells = json!(["l", false, "east.example.com:55671", null, "Not Operational"]);
    let oldest = LINKS.replace("v2alpha1", "v1alpha1");
    assert_eq!(table(&oldest).await, ("Name,Configured,URL,Site,Status".to_owned(), cells));
}
