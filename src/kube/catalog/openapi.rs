//! The types as OpenAPI v3 documents (docs/kubernetes-api.md section 4.2), one for each version of a group, made from
//! the type table: `kubectl explain` prints them, and kubectl reads from them that fields are validated here.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::{
    resource_type::{CORE, GroupVersion, ResourceType, Verb},
    schema::{Encoding, Field, FieldKind, Presence},
    types::{TYPES, group_versions},
};
use crate::app::fnv1a;

/// The document about the types of one version of a group.
#[derive(Debug)]
pub(crate) struct OpenApiDocument {
    group_version: GroupVersion,
    /// The JSON text.
    pub(crate) text: String,
    /// Changes whenever the document does.
    pub(crate) hash: String,
}

static DOCUMENTS: LazyLock<Vec<OpenApiDocument>> = LazyLock::new(|| {
    let document = |group_version| {
        let types = TYPES.into_iter().filter(|resource| resource.group_version == group_version);
        let text = document_of(&types.collect::<Vec<_>>()).to_string();
        let hash = format!("{:032X}", fnv1a(text.bytes()));
        OpenApiDocument { group_version, text, hash }
    };
    group_versions().into_iter().map(document).collect()
});

/// `/openapi/v3`: the index of all documents, each with the hash of its content.
pub(crate) fn index() -> Value {
    let entry = |document: &OpenApiDocument| {
        let path = document.group_version.path();
        let url = format!("/openapi/v3/{path}?hash={}", document.hash);
        (path, json!({"serverRelativeURL": url}))
    };
    json!({"paths": DOCUMENTS.iter().map(entry).collect::<Map<_, _>>()})
}

/// `/openapi/v3/apis/GROUP/VERSION`, or `/openapi/v3/api/v1` for the core group; `None` for a version without types.
pub(crate) fn document(group_version: GroupVersion) -> Option<&'static OpenApiDocument> {
    DOCUMENTS.iter().find(|document| document.group_version == group_version)
}

fn document_of(types: &[&'static ResourceType]) -> Value {
    let paths: Map<String, Value> = types.iter().flat_map(|resource| paths(resource)).collect();
    let schemas: Map<String, Value> = types.iter().map(|resource| (schema_name(resource), schema(resource))).collect();
    json!({
        "openapi": "3.0.0", "info": {"title": "grantd", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths, "components": {"schemas": schemas},
    })
}

/// The name of a schema, as in Kubernetes: the reversed group, the version and the kind, with a prefix for Kubernetes' own
/// types.
fn schema_name(resource: &ResourceType) -> String {
    let GroupVersion { group, version } = resource.group_version;
    let group = if resource.group_version == CORE {
        "io.k8s.api.core".to_owned()
    } else {
        group.rsplit('.').collect::<Vec<_>>().join(".")
    };
    format!("{group}.{version}.{}", resource.kind)
}

fn group_version_kind(resource: &ResourceType) -> Value {
    json!({
        "group": resource.group_version.group, "version": resource.group_version.version, "kind": resource.kind,
    })
}

fn schema(resource: &ResourceType) -> Value {
    let mut schema = object(resource.fields);
    let version = "The version of this form of the object.";
    let metadata = "Its name, namespace, labels, annotations and what else Kubernetes keeps of every object.";
    let properties = &mut schema["properties"];
    properties["apiVersion"] = json!({"type": "string", "description": version});
    properties["kind"] = json!({"type": "string", "description": "The type of the object."});
    properties["metadata"] = json!({"type": "object", "description": metadata});
    schema["description"] = resource.description.into();
    // An array here, and an object on an operation.
    schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(resource)]);
    schema
}

/// The schema of an object with these fields, some of them required.
fn object(fields: &[Field]) -> Value {
    let required = fields.iter().filter(|field| field.presence == Presence::Required);
    let required: Vec<&str> = required.map(|field| field.name).collect();
    let mut object = json!({"type": "object", "properties": properties(fields)});
    // OpenAPI 3.0 takes no empty list.
    if !required.is_empty() {
        object["required"] = required.into();
    }
    object
}

fn properties(fields: &[Field]) -> Map<String, Value> {
    let property = |field: &Field| {
        let mut property = property(&field.kind);
        property["description"] = field.description().into();
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
        FieldKind::Data(Encoding::Plain) => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        FieldKind::Data(Encoding::Base64) => {
            json!({"type": "object", "additionalProperties": {"type": "string", "format": "byte"}})
        }
        FieldKind::Object(fields) => object(fields),
        FieldKind::List(fields) => json!({"type": "array", "items": object(fields)}),
    }
}

/// The paths of a type, with an operation for each verb, by which kubectl finds the type.
fn paths(resource: &'static ResourceType) -> [(String, Value); 2] {
    let collection = format!("/{}/namespaces/{{namespace}}/{}", resource.group_version.path(), resource.plural);
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
            // A watch is the list operation with the parameter `watch`.
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
        // kubectl looks for the parameter `fieldValidation` of patch; if it exists, kubectl lets the server validate.
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
    use crate::grant::ExpirationWindow;
    use crate::kube::catalog::{
        access_grant::{self, ACCESS_GRANTS},
        schema::{field, required},
    };

    #[test]
    fn what_must_be_there_is_said_at_every_depth_and_nowhere_else() {
        const INNER: &[Field] = &[required("a", FieldKind::Text, ""), field("b", FieldKind::Text, "")];
        const FREE: &[Field] = &[field("c", FieldKind::Text, "")];
        let outer = [required("inner", FieldKind::Object(INNER), "")];
        let object = object(&outer);
        assert_eq!(object["required"], json!(["inner"]));
        assert_eq!(object["properties"]["inner"]["required"], json!(["a"]));
        assert_eq!(property(&FieldKind::List(INNER))["items"]["required"], json!(["a"]));
        assert_eq!(property(&FieldKind::Object(FREE)).get("required"), None);
    }

    #[test]
    fn schemas_are_named_as_kubernetes_names_them() {
        assert_eq!(schema_name(&ACCESS_GRANTS), "io.skupper.v2alpha1.AccessGrant");
        assert_eq!(CORE.path(), "api/v1");
    }

    #[test]
    fn a_field_shows_the_default_that_is_used() {
        let properties = properties(access_grant::SPEC);
        let shown = |name: &str| properties[name]["description"].as_str().unwrap().to_owned();
        assert!(shown("expirationWindow").contains(&format!("Default: {}. ", ExpirationWindow::default())));
        assert!(shown("redemptionsAllowed").contains("Default: 1, "));
        assert!(DOCUMENTS.iter().all(|document| !document.text.contains("{default}")));
    }

    #[test]
    fn a_document_describes_the_types_of_its_version_and_no_others() {
        let described: usize = DOCUMENTS
            .iter()
            .map(|document| {
                let read: Value = serde_json::from_str(&document.text).unwrap();
                let under = format!("/{}/", document.group_version.path());
                assert!(read["paths"].as_object().unwrap().keys().all(|path| path.starts_with(&under)));
                read["components"]["schemas"].as_object().unwrap().len()
            })
            .sum();
        assert_eq!(described, TYPES.len());
    }
}
