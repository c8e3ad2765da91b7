//! The documents that tell clients what is served (kubectl.md 4.1), made from the type table.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{
    openapi,
    problem::Problem,
    query::Query,
    reply::{Body, Reply},
    target::Document,
    types::{CORE, GroupVersion, ResourceType, SKUPPER, TYPES, Verb},
};
use crate::grant::Namespace;

/// The document.
///
/// # Errors
/// 400 for a query that cannot be understood.
pub(super) fn document(document: Document, query: &Query) -> Result<Reply, Problem> {
    let reply = match document {
        Document::CoreVersions => Reply::ok(json!({"kind": "APIVersions", "versions": [CORE.version]})),
        Document::Groups => Reply::ok(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(SKUPPER)]})),
        Document::Group => {
            let mut group = group(SKUPPER);
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            Reply::ok(group)
        }
        Document::Resources(group_version) => Reply::ok(resources(group_version)),
        // A minor version that kubectl's front ends know: some pick the client by it (kubectl.md 3.1).
        Document::Version => Reply::ok(json!({
            "major": "1", "minor": "32", "gitVersion": concat!("v1.32.0+grantd", env!("CARGO_PKG_VERSION")),
        })),
        // Kept beside v3, which lists and unknown kinds never ask (kubectl.md 3.2).
        Document::OpenApiV2 => Reply::new(StatusCode::OK, Body::EmptyProtobuf),
        Document::OpenApiIndex => openapi::index(),
        Document::OpenApi => openapi::document(query)?,
    };
    Ok(reply)
}

/// A namespace as an object: they are not made, they are there. Without this, kubectl replaces our message about a
/// missing object by a worse one (kubectl.md 3.4).
pub(super) fn namespace(name: &Namespace) -> Reply {
    Reply::ok(json!({
        "kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name.as_str()}, "status": {"phase": "Active"},
    }))
}

fn group(group_version: GroupVersion) -> Value {
    let version = json!({"groupVersion": group_version.api_version(), "version": group_version.version});
    json!({"name": group_version.group, "versions": [version], "preferredVersion": version})
}

fn resources(group_version: GroupVersion) -> Value {
    let of_group = TYPES.into_iter().filter(|resource| resource.group_version == group_version);
    let implicit = (group_version == CORE).then(namespaces);
    let listed = implicit.into_iter().chain(of_group.flat_map(entries));
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version.api_version(),
        "resources": listed.collect::<Vec<_>>(),
    })
}

/// Namespaces are no type of the table, as nothing can be done with them but to ask. They are listed all the same:
/// kubectl takes a group without types for a fault.
fn namespaces() -> Value {
    json!({
        "name": "namespaces", "singularName": "namespace", "shortNames": ["ns"], "namespaced": false,
        "kind": "Namespace", "verbs": [Verb::Get.as_str()],
    })
}

/// The entry of a type, and those of its subresources.
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
