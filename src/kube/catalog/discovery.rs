//! The documents from which clients learn what is served (docs/kubernetes-api.md section 4.1), made from the type
//! table.

use serde_json::{Value, json};

use super::{
    document::Document,
    namespaces,
    openapi::{self, OpenApiDocument},
    resource_type::{CORE, GroupVersion, ResourceType, Verb},
    types::{TYPES, groups, versions},
};

/// The content of a document.
pub(crate) enum Content {
    Json(Value),
    OpenApi(&'static OpenApiDocument),
    /// OpenAPI v2, an empty document: kubectl asks for it, and not for OpenAPI v3, about lists and unknown kinds
    /// (docs/kubernetes-api.md section 3.2).
    OpenApiV2,
}

/// The content of this document; `None` for a version of a group that has no types.
pub(crate) fn content(document: Document) -> Option<Content> {
    let object = match document {
        Document::CoreVersions => json!({"kind": "APIVersions", "versions": [CORE.version]}),
        Document::Groups => {
            let groups: Vec<Value> = groups().into_iter().map(group).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        Document::Group(name) => {
            let mut group = group(name);
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            group
        }
        Document::Resources(group_version) => resources(group_version),
        // A minor version that wrappers of kubectl know: some choose the kubectl by it
        // (docs/kubernetes-api.md section 3.1).
        Document::Version => json!({
            "major": "1", "minor": "32", "gitVersion": concat!("v1.32.0+grantd", env!("CARGO_PKG_VERSION")),
        }),
        Document::OpenApiV2 => return Some(Content::OpenApiV2),
        Document::OpenApiIndex => openapi::index(),
        Document::OpenApi(group_version) => return openapi::document(group_version).map(Content::OpenApi),
    };
    Some(Content::Json(object))
}

fn group(name: &str) -> Value {
    let version = |served: GroupVersion| json!({"groupVersion": served.api_version(), "version": served.version});
    let versions: Vec<Value> = versions(name).into_iter().map(version).collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions.first()})
}

fn resources(group_version: GroupVersion) -> Value {
    let of_group = TYPES.into_iter().filter(|resource| resource.group_version == group_version);
    let implicit = (group_version == CORE).then(namespace_entry);
    let listed = implicit.into_iter().chain(of_group.flat_map(entries));
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version.api_version(),
        "resources": listed.collect::<Vec<_>>(),
    })
}

/// The entry of namespaces. They are not in the type table, as they are not in a namespace themselves.
fn namespace_entry() -> Value {
    let verbs = namespaces::VERBS.map(Verb::as_str);
    json!({
        "name": "namespaces", "singularName": "namespace", "shortNames": ["ns"], "namespaced": false,
        "kind": "Namespace", "verbs": verbs,
    })
}

/// The entries of a type and of its subresources.
fn entries(resource: &'static ResourceType) -> Vec<Value> {
    let verbs: Vec<&str> = resource.verbs.iter().map(|verb| verb.as_str()).collect();
    let own = json!({
        "name": resource.plural, "singularName": resource.singular, "shortNames": resource.short_names,
        "namespaced": true, "kind": resource.kind, "verbs": verbs,
    });
    let parts = resource.subresources.iter().map(|part| {
        json!({
            "name": format!("{}/{}", resource.plural, part.name), "singularName": "",
            "namespaced": true, "kind": part.kind, "verbs": [Verb::Get.as_str()],
        })
    });
    std::iter::once(own).chain(parts).collect()
}
