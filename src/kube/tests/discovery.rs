use super::world::World;
use hyper::Method;
use serde_json::json;

#[tokio::test]
async fn the_documents_are_as_kubectl_wants_them() {
    let world = World::start().await;
    let version = json!({"groupVersion": "skupper.io/v2alpha1", "version": "v2alpha1"});
    let versions = json!([version, {"groupVersion": "skupper.io/v1alpha1", "version": "v1alpha1"}]);
    let status = |plural: &str, kind: &str| {
        json!({
            "name": format!("{plural}/status"), "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"],
        })
    };
    let links = json!({
        "name": "links", "singularName": "link", "shortNames": ["ln"], "namespaced": true, "kind": "Link",
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
    });
    let table = [
        ("/api", json!({"kind": "APIVersions", "versions": ["v1"]})),
        (
            "/apis",
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": "skupper.io", "versions": versions, "preferredVersion": version},
            ]}),
        ),
        (
            "/apis/skupper.io",
            json!({
                "kind": "APIGroup", "apiVersion": "v1", "name": "skupper.io", "versions": versions,
                "preferredVersion": version,
            }),
        ),
        (
            "/api/v1",
            json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1",
                "resources": [
                    {
                        "name": "namespaces", "singularName": "namespace", "shortNames": ["ns"], "namespaced": false,
                        "kind": "Namespace", "verbs": ["create", "get", "list"],
                    },
                    {
                        "name": "secrets", "singularName": "secret", "shortNames": [], "namespaced": true,
                        "kind": "Secret", "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
                    },
                ],
            }),
        ),
        (
            "/apis/skupper.io/v2alpha1",
            json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "skupper.io/v2alpha1",
                "resources": [
                    {
                        "name": "accessgrants", "singularName": "accessgrant", "shortNames": ["grant", "gr"],
                        "namespaced": true, "kind": "AccessGrant",
                        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
                    },
                    {
                        "name": "accessgrants/redemptions", "singularName": "", "namespaced": true,
                        "kind": "RedemptionList", "verbs": ["get"],
                    },
                    status("accessgrants", "AccessGrant"),
                    {
                        "name": "sites", "singularName": "site", "shortNames": ["st"], "namespaced": true,
                        "kind": "Site", "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
                    },
                    status("sites", "Site"),
                    {
                        "name": "accesstokens", "singularName": "accesstoken", "shortNames": ["token", "to"],
                        "namespaced": true, "kind": "AccessToken",
                        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
                    },
                    status("accesstokens", "AccessToken"),
                    links,
                    status("links", "Link"),
                ],
            }),
        ),
        (
            "/apis/skupper.io/v1alpha1",
            json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "skupper.io/v1alpha1",
                "resources": [links, status("links", "Link")],
            }),
        ),
        (
            "/api/v1/namespaces/west",
            json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "west"}, "status": {"phase": "Active"}}),
        ),
    ];
    for (path, document) in table {
        let seen = world.get(&format!("{path}?timeout=32s")).await;
        assert_eq!(seen.header("content-type"), "application/json");
        assert_eq!(seen.object(), document, "{path}");
    }
    let version = world.get("/version").await.object();
    assert_eq!((&version["major"], &version["minor"]), (&json!("1"), &json!("32")));
    assert!(version["gitVersion"].as_str().unwrap().starts_with("v1.32.0+grantd"));
}

#[tokio::test]
async fn the_openapi_document_is_empty_and_there() {
    let world = World::start().await;
    let seen = world.get("/openapi/v2?timeout=32s").await;
    assert_eq!((seen.status, seen.text.as_str()), (200, ""));
    assert_eq!(seen.header("content-type"), "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
}

#[tokio::test]
async fn unknown_paths_are_plain_text_so_that_clients_name_the_missing_type() {
    let world = World::start().await;
    for path in [
        "/",
        "/openapi/v3/api/v2",
        "/apis/route.openshift.io/v1",
        "/apis/skupper.io/v2alpha1/namespaces/west/listeners",
    ] {
        for method in [Method::GET, Method::POST] {
            let seen = world.send(method, path, "application/json", "{}").await;
            assert_eq!((seen.status, seen.text.as_str()), (404, "404 page not found\n"), "{path}");
            assert_eq!(seen.header("content-type"), "text/plain; charset=utf-8");
        }
    }
}

#[tokio::test]
async fn an_invalid_namespace_is_reported() {
    let world = World::start().await;
    let seen = world.get("/apis/skupper.io/v2alpha1/namespaces/No_Space/accessgrants").await;
    assert_eq!(seen.failure().0, 400);
    assert!(seen.failure().2.starts_with("namespace \"No_Space\" must consist of"), "{}", seen.text);
}
