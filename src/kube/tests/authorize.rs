//! Authentication and authorization.

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use serde_json::{Value, json};

use super::world::{GRANTS, Seen, World, grant};
use crate::{kube::access::caller::Peer, pki::AdminUser};

const ALL_GRANTS: &str = "/apis/skupper.io/v2alpha1/accessgrants";

fn user(scope: &str) -> Peer {
    Peer::Certificate(AdminUser { name: "alice".parse().unwrap(), scope: scope.parse().unwrap() })
}

fn request(method: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    request.body(Full::from(body.to_owned())).unwrap()
}

async fn ask(world: &World, peer: Peer, method: &str, path: &str) -> Seen {
    world.request_of(peer, request(method, path, "")).await
}

#[tokio::test]
async fn an_unauthenticated_client_reads_the_version_and_nothing_else() {
    let world = World::start().await;
    assert_eq!(ask(&world, Peer::Unauthenticated, "GET", "/version").await.status, 200);
    let documents = ["/api", "/apis", "/api/v1", "/apis/skupper.io", "/apis/skupper.io/v2alpha1", "/openapi/v2"];
    for path in documents.into_iter().chain(["/openapi/v3", "/openapi/v3/api/v1"]) {
        let seen = ask(&world, Peer::Unauthenticated, "GET", path).await;
        assert_eq!(seen.failure(), (401, "Unauthorized", "Unauthorized"), "{path}");
    }
    let grant = format!("{GRANTS}/g");
    for path in [GRANTS, ALL_GRANTS, &grant, "/api/v1/namespaces/west", "/nothing", "/api/v1/namespaces/-/sites"] {
        for method in ["GET", "POST", "DELETE", "PATCH", "OPTIONS"] {
            let seen = ask(&world, Peer::Unauthenticated, method, path).await;
            assert_eq!(seen.failure(), (401, "Unauthorized", "Unauthorized"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_reader_is_refused_every_write_as_kubernetes_words_it() {
    let world = World::start().await;
    world.post(GRANTS, &grant("g", json!({}))).await.object();
    let (reader, path) = (|| user("grantd:*:read"), format!("{GRANTS}/g"));
    assert_eq!(ask(&world, reader(), "GET", &path).await.status, 200);
    assert_eq!(ask(&world, reader(), "GET", ALL_GRANTS).await.status, 200);

    let seen = ask(&world, reader(), "DELETE", &path).await;
    let message = "accessgrants.skupper.io \"g\" is forbidden: User \"alice\" cannot delete resource \"accessgrants\" in \
                   API group \"skupper.io\" in the namespace \"west\"";
    assert_eq!(seen.failure(), (403, "Forbidden", message));
    assert_eq!(seen.json["details"], json!({"name": "g", "group": "skupper.io", "kind": "accessgrants"}));
    for method in ["PATCH", "PUT"] {
        assert_eq!(ask(&world, reader(), method, &path).await.status, 403, "{method}");
    }
    let seen = ask(&world, reader(), "POST", GRANTS).await;
    let message = "accessgrants.skupper.io is forbidden: User \"alice\" cannot create resource \"accessgrants\" in API \
                   group \"skupper.io\" in the namespace \"west\"";
    assert_eq!(seen.failure().2, message);
    assert_eq!(world.get(&path).await.status, 200);
}

#[tokio::test]
async fn a_user_of_one_namespace_is_refused_all_others() {
    let world = World::start().await;
    let east = || user("grantd:edge:write");
    let body = grant("g", json!({})).to_string();
    let made = world.request_of(east(), request("POST", &GRANTS.replace("west", "edge"), &body)).await;
    assert_eq!(made.status, 201, "{}", made.text);

    let seen = ask(&world, east(), "GET", ALL_GRANTS).await;
    let message = "accessgrants.skupper.io is forbidden: User \"alice\" cannot list resource \"accessgrants\" in API \
                   group \"skupper.io\" at the cluster scope";
    assert_eq!(seen.failure(), (403, "Forbidden", message));
    let seen = ask(&world, east(), "GET", &format!("{GRANTS}/g/redemptions")).await;
    assert!(seen.failure().2.contains("cannot get resource \"accessgrants/redemptions\""), "{}", seen.text);
    let seen = ask(&world, east(), "GET", "/api/v1/namespaces/west").await;
    assert!(
        seen.failure().2.starts_with("namespaces \"west\" is forbidden: User \"alice\" cannot get"),
        "{}",
        seen.text
    );
    for path in [GRANTS, "/apis/skupper.io/v2alpha1/sites", "/apis/skupper.io/v2alpha1/namespaces/west/sites/x"] {
        assert_eq!(ask(&world, east(), "GET", path).await.status, 403, "{path}");
    }
    assert_eq!(ask(&world, east(), "GET", "/version").await.status, 200);
}

#[tokio::test]
async fn a_user_of_one_namespace_makes_no_site_there_and_uses_no_issuer_of_another() {
    const SITES: &str = "/apis/skupper.io/v2alpha1/namespaces/east/sites";
    let world = World::start().await;
    let site = |name: &str| {
        let mut site = grant(name, json!({"linkAccess": "default"}));
        site["kind"] = "Site".into();
        site.to_string()
    };

    let confined = world.request_of(user("grantd:east:write"), request("POST", SITES, &site("east"))).await;
    let anywhere = world.request_of(user("grantd:*:write"), request("POST", SITES, &site("east"))).await;

    let words = "sites.skupper.io is forbidden: User \"alice\" cannot create resource \"sites\" in API group \"skupper.io\" in \
                 the namespace \"east\"";
    assert_eq!(confined.failure(), (403, "Forbidden", words));
    assert_eq!(anywhere.status, 201, "{}", anywhere.text);
    let one = format!("{SITES}/east");
    assert_eq!(ask(&world, user("grantd:east:read"), "GET", &one).await.status, 200);
    assert_eq!(ask(&world, user("grantd:east:write"), "DELETE", &one).await.status, 403);
}

#[tokio::test]
async fn a_user_of_one_namespace_reads_the_ledger_of_its_grants_also_of_deleted_ones_and_no_other() {
    const ALL: &str = "/apis/skupper.io/v2alpha1/redemptions";
    const WEST: &str = "/apis/skupper.io/v2alpha1/namespaces/west/redemptions";
    let world = World::start().await;
    let made = world.grant("g", json!({})).await;
    world.redeem(&made).await;
    world.delete(&format!("{GRANTS}/g"), &Value::Null).await;

    let own = ask(&world, user("grantd:west:read"), "GET", WEST).await.object();
    let row = &own["items"][0];
    let named = (&row["type"], &row["namespace"], &row["grant"], &row["grantUid"], &row["ordinal"]);
    let uid = &made["metadata"]["uid"];
    assert_eq!(named, (&json!("redemption"), &json!("west"), &json!("g"), uid, &json!(1)));

    let other = ask(&world, user("grantd:edge:write"), "GET", WEST).await;
    let message = "redemptions.skupper.io is forbidden: User \"alice\" cannot list resource \"redemptions\" in API group \
                   \"skupper.io\" in the namespace \"west\"";
    assert_eq!(other.failure(), (403, "Forbidden", message));
    assert_eq!(ask(&world, user("grantd:west:write"), "GET", ALL).await.status, 403);
    assert_eq!(ask(&world, user("grantd:*:read"), "GET", ALL).await.object()["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        ask(&world, user("grantd:edge:read"), "GET", &WEST.replace("west", "edge")).await.object()["items"],
        json!([])
    );
    assert_eq!(ask(&world, Peer::Unauthenticated, "GET", ALL).await.status, 401);
    for method in ["POST", "DELETE", "PUT"] {
        assert_eq!(ask(&world, Peer::Owner { uid: 0 }, method, WEST).await.status, 405, "{method}");
    }
    for query in ["continue=x", "continue=x:1", "labelSelector=a"] {
        assert_eq!(ask(&world, Peer::Owner { uid: 0 }, "GET", &format!("{ALL}?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_bearer_token_authenticates_no_client() {
    let world = World::start().await;
    let with_token = || {
        let request = Request::builder().uri(GRANTS).header("authorization", "Bearer x");
        request.body(Full::<Bytes>::default()).unwrap()
    };

    let on_socket = world.request_of(Peer::Owner { uid: 0 }, with_token()).await;
    let over_tls = world.request_of(Peer::Unauthenticated, with_token()).await;

    assert_eq!(on_socket.failure(), (401, "Unauthorized", "bearer tokens are accepted over TLS only"));
    assert_eq!(over_tls.failure(), (401, "Unauthorized", "Unauthorized"));
}
