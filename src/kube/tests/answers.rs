//! The API says what it does: `kubectl auth can-i` and dry runs give the answer that the request itself gets.

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use serde_json::{Value, json};

use super::world::{GRANTS, Seen, World, grant, manifest};
use crate::{
    kube::{access::caller::Peer, catalog::types::TYPES},
    pki::AdminUser,
    store::Quota,
};

const REVIEW: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

fn callers() -> Vec<Peer> {
    let user =
        |scope: &str| Peer::Certificate(AdminUser { name: "alice".parse().unwrap(), scope: scope.parse().unwrap() });
    let scopes = ["grantd:*:write", "grantd:*:read", "grantd:north:write", "grantd:north:read"];
    std::iter::once(Peer::Owner { uid: 0 }).chain(scopes.into_iter().map(user)).collect()
}

fn request(method: &str, path: &str, content_type: &str, body: &Value) -> Request<Full<Bytes>> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    Request::builder().method(method).uri(path).header("content-type", content_type).body(Full::from(text)).unwrap()
}

/// Whether the request itself is permitted: it may fail for other reasons, but not as forbidden, nor as unknown method.
async fn is_permitted(world: &World, peer: &Peer, verb: &str, collection: &str) -> bool {
    let object = format!("{collection}/there-is-none");
    let (method, path) = match verb {
        "create" => ("POST", collection.to_owned()),
        "delete" => ("DELETE", object),
        "deletecollection" => ("DELETE", collection.to_owned()),
        "get" => ("GET", object),
        "list" => ("GET", collection.to_owned()),
        "patch" => ("PATCH", object),
        "update" => ("PUT", object),
        _ => ("GET", format!("{collection}?watch=true&timeoutSeconds=1")),
    };
    let body = if verb == "patch" || verb == "create" { json!({}) } else { Value::Null };
    let content_type = if verb == "patch" { "application/merge-patch+json" } else { "application/json" };
    let status = world.status_of(peer.clone(), request(method, &path, content_type, &body)).await;
    ![401, 403, 405].contains(&status)
}

async fn can_i(world: &World, peer: &Peer, attributes: Value) -> bool {
    let question = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    });
    let seen = world.request_of(peer.clone(), request("POST", REVIEW, "application/json", &question)).await;
    seen.object()["status"]["allowed"].as_bool().unwrap()
}

#[tokio::test]
async fn auth_can_i_gives_the_answer_of_the_request_itself() {
    let world = World::start().await;
    for peer in callers() {
        for resource in TYPES {
            let (group, plural) = (resource.group_version.group, resource.plural);
            for namespace in ["north", "south", ""] {
                let place = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
                let collection = format!("/{}{place}/{plural}", resource.group_version.path());
                // Of all namespaces together there are only lists and watches.
                for verb in VERBS.into_iter().filter(|verb| !namespace.is_empty() || ["list", "watch"].contains(verb)) {
                    let attributes = json!({"verb": verb, "group": group, "resource": plural, "namespace": namespace});
                    assert_eq!(
                        can_i(&world, &peer, attributes).await,
                        is_permitted(&world, &peer, verb, &collection).await,
                        "{peer:?} {verb} {collection}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn auth_can_i_about_namespaces_and_events_gives_the_answer_of_the_request_itself() {
    let world = World::start().await;
    for peer in callers() {
        // kubectl sends the namespace of its context, whatever the question is about.
        for context in ["north", "south", ""] {
            for (verb, method, name) in [
                ("list", "GET", ""),
                ("create", "POST", ""),
                ("get", "GET", "north"),
                ("get", "GET", "south"),
                ("delete", "DELETE", "north"),
            ] {
                let path = if name.is_empty() {
                    "/api/v1/namespaces".to_owned()
                } else {
                    format!("/api/v1/namespaces/{name}")
                };
                let attributes = json!({"verb": verb, "resource": "namespaces", "namespace": context, "name": name});
                let body = if verb == "create" { json!({}) } else { Value::Null };
                let status = world.status_of(peer.clone(), request(method, &path, "application/json", &body)).await;
                let permitted = ![403, 405].contains(&status);
                assert_eq!(can_i(&world, &peer, attributes).await, permitted, "{peer:?} {verb} {path} in {context}");
            }
        }
        for namespace in ["north", "south"] {
            let attributes = json!({"verb": "list", "resource": "events", "namespace": namespace});
            let path = format!("/api/v1/namespaces/{namespace}/events");
            let status = world.status_of(peer.clone(), request("GET", &path, "application/json", &Value::Null)).await;
            assert_eq!(can_i(&world, &peer, attributes).await, status != 403, "{peer:?} {path}");
        }
    }
}

#[tokio::test]
async fn the_rules_of_a_namespace_user_name_its_namespace_alone() {
    let world = World::start().await;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let question = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "north"},
    });
    let [.., reader] = &callers()[..] else { panic!() };
    let seen = world.request_of(reader.clone(), request("POST", path, "application/json", &question)).await.object();
    let rules = seen["status"]["resourceRules"].as_array().unwrap().clone();
    let namespaces: Vec<_> = rules.iter().filter(|rule| rule["resources"] == json!(["namespaces"])).collect();
    let expected =
        json!({"verbs": ["get"], "apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["north"]});
    assert_eq!(namespaces, [&expected]);
}

/// A request as it is, and as a dry run.
async fn both(world: &World, method: &str, path: &str, body: &Value) -> (Seen, Seen) {
    let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let separator = if path.contains('?') { '&' } else { '?' };
    let dry = format!("{path}{separator}dryRun=All");
    let dry = world.request(request(method, &dry, content_type, body)).await;
    (dry, world.request(request(method, path, content_type, body)).await)
}

#[tokio::test]
async fn a_dry_run_gives_the_answer_of_the_request_itself() {
    let world = World::start().await;
    let place = |namespace: &str, plural: &str| format!("/apis/skupper.io/v2alpha1/namespaces/{namespace}/{plural}");
    let (sites, links, secrets) = (place("west", "sites"), place("west", "links"), "/api/v1/namespaces/west/secrets");
    let old_links = "/apis/skupper.io/v1alpha1/namespaces/west/links";
    let site = |name: &str| manifest("Site", name, &json!({"linkAccess": "default"}));
    let secret = |kind: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": kind});
    let link = |port: &str| {
        manifest("Link", "l", &json!({"endpoints": [{"name": "edge", "host": "h", "port": port}], "cost": 1}))
    };
    let token = |url: &str| {
        manifest("AccessToken", "t", &json!({"url": url, "code": "c", "ca": &*world.app.publication().ca_pem()}))
    };
    let old_link = json!({
        "apiVersion": "skupper.io/v1alpha1", "kind": "Link", "metadata": {"name": "o"},
        "spec": {"options": {"edge-host": "h", "edge-port": "1"}},
    });
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let wrong_uid = json!({"preconditions": {"uid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}});
    let tokens = place("west", "accesstokens");
    let (none, north) = (Value::Null, place("north", "sites"));
    let table: Vec<(&str, String, Value, u16)> = vec![
        ("POST", GRANTS.to_owned(), grant("g", json!({"redemptionsAllowed": 2})), 201),
        ("POST", GRANTS.to_owned(), grant("g", json!({})), 409),
        ("POST", GRANTS.to_owned(), grant("h", json!({"redemptionsAllowed": -1})), 422),
        ("POST", GRANTS.to_owned(), grant("h", json!({"code": "x".repeat(2000)})), 422),
        ("PATCH", format!("{GRANTS}/g"), json!({"spec": {"redemptionsAllowed": 3}}), 200),
        ("PATCH", format!("{GRANTS}/g"), json!({"spec": {"code": "another-code-than-the-one"}}), 422),
        ("PATCH", format!("{GRANTS}/g"), json!({"metadata": {"resourceVersion": "1"}}), 409),
        ("PUT", format!("{GRANTS}/g"), grant("g", json!({})), 422),
        ("DELETE", format!("{GRANTS}/g"), wrong_uid.clone(), 409),
        ("DELETE", format!("{GRANTS}/g"), none.clone(), 200),
        ("DELETE", format!("{GRANTS}/g"), none.clone(), 404),
        ("POST", sites.clone(), site("west-site"), 403),
        ("POST", sites.clone(), site("second"), 403),
        ("PATCH", format!("{sites}/west-site"), json!({"metadata": {"labels": {"a": "b"}}}), 403),
        ("DELETE", format!("{sites}/west-site"), none.clone(), 403),
        ("DELETE", format!("{sites}/west-site"), wrong_uid.clone(), 409),
        ("POST", north.clone(), site("first"), 201),
        ("POST", north.clone(), site("first"), 409),
        ("POST", north.clone(), site("second"), 403),
        ("PATCH", format!("{north}/first"), json!({"spec": {"edge": true}}), 200),
        ("DELETE", format!("{north}/first"), none.clone(), 200),
        ("POST", secrets.to_owned(), secret("Opaque"), 201),
        ("POST", secrets.to_owned(), secret("Opaque"), 409),
        ("PATCH", format!("{secrets}/s"), json!({"type": "kubernetes.io/tls"}), 422),
        ("PATCH", format!("{secrets}/s"), json!({"stringData": {"a": "b"}}), 200),
        ("DELETE", format!("{secrets}/s"), none.clone(), 200),
        ("POST", links.clone(), link("1"), 201),
        ("POST", links.clone(), link("0"), 422),
        ("PATCH", format!("{links}/l"), json!({"spec": {"cost": 0}}), 422),
        ("PATCH", format!("{links}/none"), json!({"spec": {"cost": 1}}), 404),
        ("POST", old_links.to_owned(), old_link.clone(), 201),
        ("POST", old_links.to_owned(), old_link, 409),
        ("DELETE", format!("{old_links}/o"), none.clone(), 200),
        ("POST", tokens.clone(), token("http://h/x"), 422),
        ("POST", tokens.clone(), token("https://h/x"), 201),
        ("DELETE", format!("{tokens}/t"), none, 200),
        ("POST", "/api/v1/namespaces".to_owned(), namespace("north-2"), 201),
        ("POST", "/api/v1/namespaces".to_owned(), namespace("west"), 409),
    ];
    agree(&world, table).await;
}

/// Makes each request of the table as a dry run and as it is: both get this status, and the same text when they fail.
async fn agree(world: &World, table: Vec<(&str, String, Value, u16)>) {
    for (method, path, body, status) in table {
        let (dry, real) = both(world, method, &path, &body).await;
        assert_eq!((dry.status, real.status), (status, status), "{method} {path} {body}: {} {}", dry.text, real.text);
        if status >= 400 {
            assert_eq!(dry.text, real.text, "{method} {path} {body}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_is_refused_beyond_the_quota_as_the_request_itself() {
    let world = World::with_quota(Quota { objects: 3, bytes: 20_000 }).await;
    let secrets = "/api/v1/namespaces/west/secrets";
    let secret = |name: &str, length: usize| {
        let data = json!({"a": "x".repeat(length)});
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "stringData": data})
    };
    let data = |length: usize| json!({"stringData": {"a": "x".repeat(length)}});
    let noted = |length: usize| json!({"metadata": {"annotations": {"a": "x".repeat(length)}}});
    let site = manifest("Site", "s", &json!({"linkAccess": "default"}));
    let sites = "/apis/skupper.io/v2alpha1/namespaces/bare/sites";
    let table = vec![
        ("POST", GRANTS.to_owned(), grant("g", json!({})), 201),
        ("POST", secrets.to_owned(), secret("s", 20_000), 403),
        ("POST", secrets.to_owned(), secret("s", 10), 201),
        ("PATCH", format!("{secrets}/s"), data(10_000), 200),
        ("PATCH", format!("{secrets}/s"), data(30_000), 403),
        ("PATCH", format!("{GRANTS}/g"), noted(20_000), 403),
        ("PATCH", format!("{GRANTS}/g"), noted(10), 200),
        ("POST", secrets.to_owned(), secret("t", 10), 201),
        ("POST", secrets.to_owned(), secret("u", 10), 403),
        ("POST", secrets.to_owned(), secret("t", 10), 403),
        ("POST", GRANTS.to_owned(), grant("h", json!({})), 403),
        ("PATCH", format!("{secrets}/s"), data(1), 200),
        ("POST", sites.to_owned(), site, 403),
        ("DELETE", format!("{secrets}/t"), Value::Null, 200),
        ("POST", secrets.to_owned(), secret("u", 10), 201),
    ];
    agree(&world, table).await;
}

#[tokio::test]
async fn a_short_code_is_taken_with_a_warning_and_a_long_one_without() {
    let world = World::start().await;
    for (code, warns) in [("123456789012345", true), ("1234567890123456", false)] {
        for path in [format!("{GRANTS}?dryRun=All"), GRANTS.to_owned()] {
            let seen = world.post(&path, &grant(&format!("g{}", code.len()), json!({"code": code}))).await;
            assert_eq!(seen.status, 201, "{}", seen.text);
            assert_eq!(
                seen.header("warning").contains("fewer than 16 characters"),
                warns,
                "{}",
                seen.header("warning")
            );
            assert!(!seen.header("warning").contains(code));
        }
    }
    assert_eq!(world.post(GRANTS, &grant("made", json!({}))).await.header("warning"), "");
}
