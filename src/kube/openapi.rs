//! The types as an OpenAPI v3 document (kubectl.md 4.2), made from the type table: `kubectl explain` prints it, and kubectl
//! reads from it that fields are validated here.

use std::sync::LazyLock;

use hyper::{StatusCode, body::Bytes};
use serde_json::{Map, Value, json};

use super::{
    problem::Problem,
    query::Query,
    reply::{Body, Keep, Reply},
    schema::{Field, FieldKind},
    types::{ResourceType, SKUPPER, TYPES, Verb},
};
use crate::app::fingerprint;

/// Where the one document is, without its hash. The core group has no types, and so no document.
const PATH: &str = "apis/skupper.io/v2alpha1";

/// The document as it is sent, and its mark.
static DOCUMENT: LazyLock<(Bytes, String)> = LazyLock::new(|| {
    let described: Vec<_> = TYPES.into_iter().filter(|resource| resource.group_version == SKUPPER).collect();
    let text = document_of(&described).to_string();
    let hash = format!("{:032X}", fingerprint(text.bytes()));
    (Bytes::from(text), hash)
});

/// `/openapi/v3`: the documents there are, each with the hash of what it says.
pub(super) fn index() -> Reply {
    let url = format!("/openapi/v3/{PATH}?hash={}", DOCUMENT.1);
    Reply::ok(json!({"paths": {PATH: {"serverRelativeURL": url}}}))
}

/// `/openapi/v3/apis/skupper.io/v2alpha1`. Whoever names the hash of the index may keep it: another document has another
/// hash. A wrong hash is answered with the document as it is now.
///
/// # Errors
/// 400 for a hash that stands twice.
pub(super) fn document(query: &Query) -> Result<Reply, Problem> {
    let (bytes, hash) = &*DOCUMENT;
    let asked = query.one("hash")?;
    let keep = if asked == Some(hash.as_str()) { Keep::Forever } else { Keep::Never };
    Ok(Reply { keep, ..Reply::new(StatusCode::OK, Body::Written(bytes.clone())) })
}

fn document_of(types: &[&'static ResourceType]) -> Value {
    let paths: Map<String, Value> = types.iter().flat_map(|resource| paths(resource)).collect();
    let schemas: Map<String, Value> = types.iter().map(|resource| (schema_name(resource), schema(resource))).collect();
    json!({
        "openapi": "3.0.0", "info": {"title": "grantd", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths, "components": {"schemas": schemas},
    })
}

/// Group backwards, version and kind, as Kubernetes names schemas.
fn schema_name(resource: &ResourceType) -> String {
    let group: Vec<&str> = resource.group_version.group.rsplit('.').collect();
    format!("{}.{}.{}", group.join("."), resource.group_version.version, resource.kind)
}

fn group_version_kind(resource: &ResourceType) -> Value {
    json!({
        "group": resource.group_version.group, "version": resource.group_version.version, "kind": resource.kind,
    })
}

fn schema(resource: &ResourceType) -> Value {
    let mut properties = properties(resource.fields);
    let version = "The version of this form of the object.";
    properties.insert("apiVersion".to_owned(), json!({"type": "string", "description": version}));
    properties.insert("kind".to_owned(), json!({"type": "string", "description": "The type of the object."}));
    let metadata = "Its name, namespace, labels, annotations and what else Kubernetes keeps of every object.";
    properties.insert("metadata".to_owned(), json!({"type": "object", "description": metadata}));
    json!({
        "type": "object", "description": resource.description, "properties": properties,
        // An array here, and an object on an operation.
        "x-kubernetes-group-version-kind": [group_version_kind(resource)],
    })
}

fn properties(fields: &[Field]) -> Map<String, Value> {
    let property = |field: &Field| {
        let mut property = property(&field.kind);
        property["description"] = field.description.into();
        (field.name.to_owned(), property)
    };
    fields.iter().map(property).collect()
}

fn property(kind: &FieldKind) -> Value {
    match kind {
        FieldKind::Text => json!({"type": "string"}),
        FieldKind::Integer => json!({"type": "integer"}),
        FieldKind::Boolean => json!({"type": "boolean"}),
        FieldKind::Duration => json!({"type": "string", "format": "duration"}),
        FieldKind::Texts => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        FieldKind::Object(fields) => json!({"type": "object", "properties": properties(fields)}),
        FieldKind::List(fields) => {
            json!({"type": "array", "items": {"type": "object", "properties": properties(fields)}})
        }
    }
}

/// The collection and the object of a type, with an operation for each verb. kubectl finds a type by its operations.
fn paths(resource: &'static ResourceType) -> [(String, Value); 2] {
    let collection = format!("/{PATH}/namespaces/{{namespace}}/{}", resource.plural);
    let object = format!("{collection}/{{name}}");
    let (mut of_all, mut of_one) = (Map::new(), Map::new());
    for verb in resource.verbs {
        let (operations, method, action) = match verb {
            Verb::Create => (&mut of_all, "post", "post"),
            Verb::List => (&mut of_all, "get", "list"),
            Verb::Delete => (&mut of_one, "delete", "delete"),
            Verb::Get => (&mut of_one, "get", "get"),
            Verb::Patch => (&mut of_one, "patch", "patch"),
            Verb::Update => (&mut of_one, "put", "put"),
            // The parameters of a list say how.
            Verb::Watch => continue,
        };
        operations.insert(method.to_owned(), operation(resource, *verb, action));
    }
    let with = |mut operations: Map<String, Value>, names: &[&str]| {
        let parameters = names.iter().map(|name| parameter(name, "path"));
        operations.insert("parameters".to_owned(), parameters.collect());
        Value::Object(operations)
    };
    [(collection, with(of_all, &["namespace"])), (object, with(of_one, &["namespace", "name"]))]
}

fn operation(resource: &ResourceType, verb: Verb, action: &str) -> Value {
    let parameters: &[&str] = match verb {
        // kubectl looks for `fieldValidation` at the patch and leaves validation to the server that has it.
        Verb::Create | Verb::Patch | Verb::Update => &["dryRun", "fieldValidation"],
        Verb::Delete => &["dryRun"],
        Verb::List => &[
            "allowWatchBookmarks",
            "continue",
            "fieldSelector",
            "labelSelector",
            "limit",
            "resourceVersion",
            "resourceVersionMatch",
            "sendInitialEvents",
            "timeoutSeconds",
            "watch",
        ],
        Verb::Get | Verb::Watch => &[],
    };
    let parameters: Vec<Value> = parameters.iter().map(|name| parameter(name, "query")).collect();
    json!({
        "x-kubernetes-group-version-kind": group_version_kind(resource), "x-kubernetes-action": action,
        "parameters": parameters, "responses": {"200": {"description": "OK"}},
    })
}

fn parameter(name: &str, place: &str) -> Value {
    json!({"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_stands_where_its_types_are() {
        assert_eq!(PATH, format!("apis/{}", SKUPPER.api_version()));
    }
}
