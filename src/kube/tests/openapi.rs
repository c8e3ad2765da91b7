use super::world::{GRANTS, World, grant};
use crate::kube::catalog::{
    access_grant,
    resource_type::{GroupVersion, ResourceType, Verb},
    schema::{Encoding, Field, FieldKind},
    types::{TYPES, group_versions},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const DOCUMENT: &str = "/openapi/v3/apis/skupper.io/v2alpha1";

/// The document that describes this type.
async fn document_of(world: &World, resource: &ResourceType) -> Value {
    world.get(&format!("/openapi/v3/{}", resource.group_version.path())).await.object()
}

/// The only schema of this type.
fn schema<'v>(document: &'v Value, resource: &ResourceType) -> &'v Value {
    let kinds = json!([kind_of(resource)]);
    let mut schemas = document["components"]["schemas"].as_object().unwrap().values();
    let found = schemas.find(|schema| schema["x-kubernetes-group-version-kind"] == kinds);
    found.unwrap_or_else(|| panic!("no schema of {}", resource.kind))
}

/// Operations of these types, each with its method.
fn operations<'v>(document: &'v Value, kind: &'v Value) -> impl Iterator<Item = (&'v str, &'v Value)> {
    let paths = document["paths"].as_object().unwrap().values();
    let all = paths.flat_map(|path| path.as_object().unwrap()).map(|(method, operation)| (method.as_str(), operation));
    all.filter(move |(_, operation)| &operation["x-kubernetes-group-version-kind"] == kind)
}

fn kind_of(resource: &ResourceType) -> Value {
    let GroupVersion { group, version } = resource.group_version;
    json!({"group": group, "version": version, "kind": resource.kind})
}

#[tokio::test]
async fn the_index_leads_to_a_document_that_may_be_kept() {
    let world = World::start().await;
    let index = world.get("/openapi/v3?timeout=32s").await;
    assert_eq!(index.header("cache-control"), "no-cache, private");
    let url = index.json["paths"]["apis/skupper.io/v2alpha1"]["serverRelativeURL"].as_str().unwrap();
    let hash = url.strip_prefix(&format!("{DOCUMENT}?hash=")).unwrap();
    assert!(hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{url}");

    let kept = world.get(&format!("{url}&timeout=32s")).await;

    assert_eq!(kept.header("cache-control"), "public, max-age=31536000");
    assert_eq!(kept.header("content-type"), "application/json");
    assert_eq!(kept.object()["openapi"], "3.0.0");
}

#[tokio::test]
async fn every_version_of_a_group_has_a_document_of_its_own() {
    let world = World::start().await;
    let index = world.get("/openapi/v3").await.object();
    let listed = index["paths"].as_object().unwrap();
    assert_eq!(listed.len(), group_versions().len());
    let mut hashes = BTreeSet::new();
    for group_version in group_versions() {
        let url = listed[&group_version.path()]["serverRelativeURL"].as_str().unwrap();
        let (path, hash) = url.split_once("?hash=").unwrap();
        assert_eq!(path, format!("/openapi/v3/{}", group_version.path()));
        assert!(hashes.insert(hash.to_owned()), "{url}");
        let kept = world.get(url).await;
        assert_eq!((kept.status, kept.header("cache-control")), (200, "public, max-age=31536000"));
    }
    assert_eq!(world.get("/openapi/v3/apis/apps/v1").await.status, 404);
}

#[tokio::test]
async fn a_document_that_is_asked_for_by_another_hash_is_not_kept() {
    let world = World::start().await;
    for query in ["", "?hash=", "?hash=00", "?timeout=32s"] {
        let seen = world.get(&format!("{DOCUMENT}{query}")).await;
        assert_eq!((seen.status, seen.header("cache-control")), (200, "no-cache, private"), "{query}");
    }
    assert_eq!(world.get(&format!("{DOCUMENT}?hash=1&hash=2")).await.failure().0, 400);
}

#[tokio::test]
async fn every_type_is_found_by_its_schema_and_by_an_operation() {
    let world = World::start().await;
    for resource in TYPES {
        let (document, kind) = (document_of(&world, resource).await, kind_of(resource));
        assert_eq!(schema(&document, resource)["type"], "object");
        // A watch is the list operation with the parameter `watch`.
        let verbs = resource.verbs.iter().filter(|verb| **verb != Verb::Watch);
        assert_eq!(operations(&document, &kind).count(), verbs.count(), "{}", resource.kind);
    }
}

#[tokio::test]
async fn a_patch_is_known_to_validate_fields() {
    let world = World::start().await;
    let document = world.get(DOCUMENT).await.object();
    let path = "/apis/skupper.io/v2alpha1/namespaces/{namespace}/accessgrants/{name}";
    let patch = &document["paths"][path]["patch"];
    assert_eq!(patch["x-kubernetes-action"], "patch");
    let validation = json!({"name": "fieldValidation", "in": "query", "required": false, "schema": {"type": "string"}});
    assert!(patch["parameters"].as_array().unwrap().contains(&validation), "{patch}");
}

fn assert_described(properties: &Value, fields: &[Field]) {
    assert_eq!(properties.as_object().unwrap().len(), fields.len());
    for field in fields {
        let property = &properties[field.name];
        assert_eq!(property["description"], field.description());
        let (name, format) = match &field.kind {
            FieldKind::Text => ("string", Value::Null),
            FieldKind::Duration => ("string", json!("duration")),
            FieldKind::Integer => ("integer", Value::Null),
            FieldKind::Boolean => ("boolean", Value::Null),
            FieldKind::Texts | FieldKind::Data(_) | FieldKind::Object(_) => ("object", Value::Null),
            FieldKind::List(_) => ("array", Value::Null),
        };
        assert_eq!((&property["type"], &property["format"]), (&json!(name), &format), "{}", field.name);
        match &field.kind {
            FieldKind::Object(fields) => assert_described(&property["properties"], fields),
            FieldKind::List(fields) => assert_described(&property["items"]["properties"], fields),
            FieldKind::Texts | FieldKind::Data(Encoding::Plain) => {
                assert_eq!(property["additionalProperties"], json!({"type": "string"}));
            }
            FieldKind::Data(Encoding::Base64) => {
                assert_eq!(property["additionalProperties"], json!({"type": "string", "format": "byte"}));
            }
            FieldKind::Text | FieldKind::Duration | FieldKind::Integer | FieldKind::Boolean => {}
        }
    }
}

#[tokio::test]
async fn every_field_of_the_table_is_described() {
    let world = World::start().await;
    for resource in TYPES {
        let document = document_of(&world, resource).await;
        let schema = schema(&document, resource);
        let properties = &schema["properties"];
        assert_eq!(schema["description"], resource.description);
        for field in resource.fields {
            assert_described(&json!({field.name: properties[field.name]}), std::slice::from_ref(field));
        }
        for common in ["apiVersion", "kind", "metadata"] {
            assert!(properties[common]["description"].is_string(), "{common}");
        }
    }
}

/// Every name in `object` is one of the fields.
fn assert_known(object: &Value, fields: &[Field]) {
    for (name, value) in object.as_object().unwrap() {
        let field = fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("{name} is not described"));
        match &field.kind {
            FieldKind::Object(fields) => assert_known(value, fields),
            FieldKind::List(fields) => value.as_array().unwrap().iter().for_each(|item| assert_known(item, fields)),
            FieldKind::Text | FieldKind::Duration => assert!(value.is_string(), "{name}"),
            FieldKind::Integer => assert!(value.is_u64(), "{name}"),
            FieldKind::Boolean => assert!(value.is_boolean(), "{name}"),
            FieldKind::Texts | FieldKind::Data(_) => {
                assert!(value.as_object().unwrap().values().all(Value::is_string), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn everything_that_objects_show_is_described() {
    let world = World::start().await;
    let spec = json!({"code": "a-code", "issuer": "skupper-site-ca", "settings": {"a": "b"}});
    let shown = world.grant("g", spec).await;
    let sites = world.get("/apis/skupper.io/v2alpha1/sites").await.object();
    let objects = std::iter::once(&shown).chain(sites["items"].as_array().unwrap());
    for object in objects {
        let resource = TYPES.into_iter().find(|resource| resource.kind == object["kind"]).unwrap();
        let parts = json!({"spec": object["spec"], "status": object["status"]});
        assert_known(&parts, resource.fields);
    }
}

#[tokio::test]
async fn every_described_field_of_a_spec_is_taken() {
    let world = World::start().await;
    let members = access_grant::SPEC.iter().map(|field| (field.name.to_owned(), Value::Null));
    let mut spec: Value = members.collect::<serde_json::Map<_, _>>().into();
    let path = format!("{GRANTS}?fieldValidation=Strict");

    assert_eq!(world.post(&path, &grant("g", spec.clone())).await.status, 201);
    spec["bogus"] = Value::Null;
    let seen = world.post(&path, &grant("h", spec)).await;

    assert!(seen.failure().2.ends_with("unknown field \"spec.bogus\""), "{}", seen.text);
}
