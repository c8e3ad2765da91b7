use http_body_util::Full;
use hyper::{Method, Request, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::{
    protobuf::{envelope, field},
    world::{Seen, World},
};

const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const RULES: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";

#[expect(clippy::needless_pass_by_value, reason = "callers write the spec in place")]
fn question(kind: &str, spec: Value) -> Value {
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": {"creationTimestamp": null}, "spec": spec})
}

async fn may_i(world: &World, attributes: Value) -> Value {
    let spec = json!({"resourceAttributes": attributes});
    let seen = world.post(ACCESS, &question("SelfSubjectAccessReview", spec.clone())).await;
    assert_eq!(seen.status, 201, "{}", seen.text);
    let object = seen.object();
    assert_eq!(object["spec"], spec);
    object["status"].clone()
}

async fn send_protobuf(world: &World, path: &str, body: Vec<u8>) -> Seen {
    let request = Request::builder().method(Method::POST).uri(path);
    let request = request.header(CONTENT_TYPE, "application/vnd.kubernetes.protobuf");
    world.request(request.body(Full::from(body)).unwrap()).await
}

#[tokio::test]
async fn what_the_owner_may_do_is_allowed_and_the_rest_is_explained() {
    let world = World::start().await;
    let create =
        |resource: &str| json!({"namespace": "west", "verb": "create", "group": "skupper.io", "resource": resource});
    assert_eq!(may_i(&world, create("accessgrants")).await, json!({"allowed": true}));
    assert_eq!(may_i(&world, create("sites")).await, json!({"allowed": true}));
    let namespaces = "namespaces exist implicitly and cannot be changed here";
    let delete = may_i(&world, json!({"verb": "delete", "resource": "namespaces"})).await;
    assert_eq!(delete, json!({"allowed": false, "reason": namespaces}));
    let pods = may_i(&world, json!({"verb": "get", "resource": "pods"})).await;
    assert_eq!(pods, json!({"allowed": false, "reason": "this server has no such resource"}));
}

#[tokio::test]
async fn paths_are_asked_about_too() {
    let world = World::start().await;
    let may = async |path: &str| {
        let spec = json!({"nonResourceAttributes": {"verb": "get", "path": path}});
        let object = world.post(ACCESS, &question("SelfSubjectAccessReview", spec)).await.object();
        object["status"]["allowed"].as_bool().unwrap()
    };
    assert!(may("/version").await);
    assert!(!may("/metrics").await);
}

#[tokio::test]
async fn the_rules_are_what_discovery_lists() {
    let world = World::start().await;
    let seen = world.post(RULES, &question("SelfSubjectRulesReview", json!({"namespace": "west"}))).await;
    assert_eq!(seen.status, 201);
    let status = seen.object()["status"].clone();
    assert_eq!(status["incomplete"], false);
    let rules = status["resourceRules"].as_array().unwrap();
    for path in ["/api/v1", "/apis/skupper.io/v2alpha1"] {
        let listed = world.get(path).await.object();
        let group = if path == "/api/v1" { "" } else { "skupper.io" };
        for resource in listed["resources"].as_array().unwrap() {
            let rule = json!({"verbs": resource["verbs"], "apiGroups": [group], "resources": [resource["name"]]});
            assert!(rules.contains(&rule), "{rule}");
        }
    }
}

#[tokio::test]
async fn a_review_shows_the_caller_in_the_version_that_was_asked_for() {
    let world = World::start().await;
    for version in ["v1", "v1beta1"] {
        let api_version = format!("authentication.k8s.io/{version}");
        let path = format!("/apis/{api_version}/selfsubjectreviews");
        let question =
            json!({"apiVersion": api_version, "kind": "SelfSubjectReview", "metadata": {}, "status": {"userInfo": {}}});
        let seen = world.post(&path, &question).await;
        assert_eq!(seen.status, 201, "{}", seen.text);
        let object = seen.object();
        assert_eq!((&object["apiVersion"], &object["kind"]), (&json!(api_version), &json!("SelfSubjectReview")));
        assert_eq!(
            object["status"],
            json!({"userInfo": {"username": "grantd:owner", "groups": ["system:authenticated"]}})
        );
    }
}

#[tokio::test]
async fn a_question_in_protobuf_is_the_same_question() {
    let world = World::start().await;
    let attributes = [field(1, "west"), field(2, "escalate"), field(3, "skupper.io"), field(5, "sites"), field(6, "")];
    let raw = field(2, field(1, attributes.concat()));
    let body = envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview", &raw);
    let seen = send_protobuf(&world, ACCESS, body.clone()).await;
    assert_eq!((seen.status, seen.header("content-type")), (201, "application/json"));
    assert_eq!(seen.json["status"]["allowed"], false);
    assert_eq!(seen.json["spec"]["resourceAttributes"]["resource"], "sites");

    let elsewhere = send_protobuf(&world, RULES, body.clone()).await;
    assert_eq!(elsewhere.failure().0, 400);
    let unread = send_protobuf(&world, RULES, envelope("v1", "ConfigMap", b"")).await;
    assert_eq!(unread.failure().0, 415);
    let grants = send_protobuf(&world, super::world::GRANTS, body).await;
    assert_eq!(grants.failure().0, 415);
    assert!(grants.failure().2.ends_with("accepted media types include: application/json"), "{}", grants.text);
}

#[tokio::test]
async fn a_question_that_is_none_is_refused() {
    let world = World::start().await;
    let access = |spec: Value| question("SelfSubjectAccessReview", spec);
    for (path, body) in [
        (ACCESS, access(json!({}))),
        (ACCESS, access(json!({"resourceAttributes": {}, "nonResourceAttributes": {}}))),
        (ACCESS, access(json!({"resourceAttributes": {"verb": 1}}))),
        (ACCESS, question("SelfSubjectRulesReview", json!({"namespace": "west"}))),
        (RULES, question("SelfSubjectRulesReview", json!({}))),
    ] {
        let seen = world.post(path, &body).await;
        assert_eq!(seen.failure().0, 400, "{body}");
    }
    let strict = access(json!({"resourceAttributes": {"verb": "get", "bogus": 1}}));
    let seen = world.post(&format!("{ACCESS}?fieldValidation=Strict"), &strict).await;
    assert!(seen.failure().2.ends_with("unknown field \"spec.resourceAttributes.bogus\""), "{}", seen.text);
    assert_eq!(world.get(ACCESS).await.failure().0, 405);
}
