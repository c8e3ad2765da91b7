//! Links in their oldest form, `skupper.io/v1alpha1` (docs/protocol.md section 4.4), converted
//! from and to the stored form.
//!
//! Its options are the settings of v2alpha1, except four that give host and port of one endpoint of each kind.

use serde_json::{Map, Value, json};

use super::{
    links::{self, check_cost, check_value},
    stored::{Body, Generation, StoredKind},
};
use crate::{
    app::App,
    kube::{
        catalog::link_v1alpha1::LINKS_V1ALPHA1,
        problem::{
            cause::Cause,
            faults::{Faults, object, text},
        },
    },
    link::{Host, Port, ResourceName},
    store::{ObjectKind, StoredObject},
};

/// The behaviour of Links in this form; the objects are those of v2alpha1.
pub(crate) static STORED: StoredKind = StoredKind {
    resource: &LINKS_V1ALPHA1,
    object: ObjectKind::Link,
    longest_name: ResourceName::MAX_BYTES,
    generation: Generation::Shown,
    read_spec,
    keep,
    check_change: StoredKind::change_anything,
    show,
};

/// The kinds of endpoints that have options. A link's `url` is that of the first kind for which it has an endpoint.
const ROLES: [Role; 2] = [
    Role { name: "inter-router", host: "inter-router-host", port: "inter-router-port" },
    Role { name: "edge", host: "edge-host", port: "edge-port" },
];

struct Role {
    name: &'static str,
    host: &'static str,
    port: &'static str,
}

fn is_of_a_role(option: &str) -> bool {
    ROLES.iter().any(|role| option == role.host || option == role.port)
}

/// Members of the stored form.
const ENDPOINTS: &str = "endpoints";
const CREDENTIALS: &str = "tlsCredentials";
const COST: &str = "cost";
const SETTINGS: &str = "settings";

fn read_spec(faults: &mut Faults, members: &Map<String, Value>) -> Body {
    let spec = object(members, "spec");
    check_value::<ResourceName>(faults, "spec.tlsSecret", text(spec, "tlsSecret"));
    check_cost(faults, spec);
    let options = spec.get("options").and_then(Value::as_object);
    let endpoints = options.map(|options| endpoints(faults, options)).unwrap_or_default();
    let mut stored = Map::new();
    stored.insert(ENDPOINTS.to_owned(), endpoints.into());
    for (own, theirs) in [("tlsSecret", CREDENTIALS), (COST, COST)] {
        let value = spec.get(own).filter(|value| !value.is_null());
        stored.extend(value.map(|value| (theirs.to_owned(), value.clone())));
    }
    let settings: Map<String, Value> = options
        .into_iter()
        .flatten()
        .filter(|(name, _)| !is_of_a_role(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !settings.is_empty() {
        stored.insert(SETTINGS.to_owned(), settings.into());
    }
    Map::from_iter([("spec".to_owned(), stored.into())])
}

fn endpoints(faults: &mut Faults, options: &Map<String, Value>) -> Vec<Value> {
    let field = |option: &str| format!("spec.options.{option}");
    let mut endpoints = Vec::new();
    for role in &ROLES {
        let (host, port) = (text(options, role.host), text(options, role.port));
        check_value::<Host>(faults, &field(role.host), host);
        check_value::<Port>(faults, &field(role.port), port);
        match (host, port) {
            (Some(host), Some(port)) => endpoints.push(json!({"name": role.name, "host": host, "port": port})),
            (Some(_), None) => faults.add(Cause::required(&field(role.port), "must be given with the host")),
            (None, Some(_)) => faults.add(Cause::required(&field(role.host), "must be given with the port")),
            (None, None) => {}
        }
    }
    if ROLES.iter().all(|role| text(options, role.host).is_none() && text(options, role.port).is_none()) {
        let why = "must name inter-router-host and inter-router-port, or edge-host and edge-port";
        faults.add(Cause::required("spec.options", why));
    }
    endpoints
}

/// Keeps what this form cannot express: groups, further endpoints of a kind, and settings with the name of one of the four
/// options.
fn keep(mut written: Body, before: &Body) -> Body {
    let (mut spec, before) = (members(&written, "spec"), members(before, "spec"));
    let endpoints = keep_endpoints(list(&spec), list(&before));
    spec.insert(ENDPOINTS.to_owned(), endpoints.into());

    let (mut settings, kept) = (members(&spec, SETTINGS), members(&before, SETTINGS));
    let had_an_empty_map = before.contains_key(SETTINGS) && kept.is_empty();
    settings.extend(kept.into_iter().filter(|(name, _)| is_of_a_role(name)));
    if !settings.is_empty() || had_an_empty_map {
        spec.insert(SETTINGS.to_owned(), settings.into());
    }
    written.insert("spec".to_owned(), spec.into());
    written
}

fn list(spec: &Map<String, Value>) -> &[Value] {
    spec.get(ENDPOINTS).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn members(spec: &Map<String, Value>, name: &str) -> Map<String, Value> {
    spec.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn is_called(endpoint: &Value, name: &str) -> bool {
    endpoint.get("name").and_then(Value::as_str) == Some(name)
}

/// Changes the first endpoint of each kind to what was written, and keeps further endpoints of the same kind. All endpoints
/// of a kind that was not written are removed. A new endpoint joins the group of the others, as a link uses one group.
fn keep_endpoints(written: &[Value], before: &[Value]) -> Vec<Value> {
    let mut missing: Vec<&Value> = written.iter().collect();
    let mut kept = Vec::new();
    for endpoint in before {
        let same = |other: &Value| other.get("name") == endpoint.get("name");
        if let Some(index) = missing.iter().position(|other| same(other)) {
            let change = missing.remove(index);
            let mut endpoint = endpoint.clone();
            for part in ["host", "port"] {
                endpoint[part] = change[part].clone();
            }
            kept.push(endpoint);
        } else if written.iter().any(same) {
            kept.push(endpoint.clone());
        }
    }
    let group = before.iter().find_map(|endpoint| endpoint.get("group")).cloned();
    for new in missing {
        let mut new = new.clone();
        if let Some(group) = &group {
            new["group"] = group.clone();
        }
        kept.push(new);
    }
    kept
}

fn show(_: &App, link: &StoredObject) -> Body {
    shown(link)
}

pub(crate) fn shown(link: &StoredObject) -> Body {
    let stored = links::shown(link);
    let spec = members(&stored, "spec");
    let first = |role: &Role| list(&spec).iter().find(|endpoint| is_called(endpoint, role.name));

    let mut options = members(&spec, SETTINGS);
    options.retain(|name, _| !is_of_a_role(name));
    for role in &ROLES {
        if let Some(endpoint) = first(role) {
            options.insert(role.host.to_owned(), endpoint["host"].clone());
            options.insert(role.port.to_owned(), endpoint["port"].clone());
        }
    }
    let mut shown = Map::new();
    shown.insert("options".to_owned(), options.into());
    for (own, theirs) in [("tlsSecret", CREDENTIALS), (COST, COST)] {
        shown.extend(spec.get(theirs).map(|value| (own.to_owned(), value.clone())));
    }
    let status = status(&members(&stored, "status"), ROLES.iter().find_map(first));
    Map::from_iter([("spec".to_owned(), shown.into()), ("status".to_owned(), status)])
}

/// The status; its member `status` is the `message` of v2alpha1.
fn status(stored: &Map<String, Value>, endpoint: Option<&Value>) -> Value {
    let is_configured = |condition: &Value| condition["type"] == "Configured" && condition["status"] == "True";
    let conditions = stored.get("conditions").and_then(Value::as_array);
    let mut status = json!({"configured": conditions.is_some_and(|all| all.iter().any(is_configured))});
    for (own, theirs) in [("status", "message"), ("site", "remoteSiteName")] {
        if let Some(value) = stored.get(theirs) {
            status[own] = value.clone();
        }
    }
    if let Some(url) = endpoint.and_then(url) {
        status["url"] = url.into();
    }
    status
}

/// `HOST:PORT`, with brackets around an IPv6 address (RFC 3986 3.2.2).
fn url(endpoint: &Value) -> Option<String> {
    let (host, port) = (endpoint.get("host")?.as_str()?, endpoint.get("port")?.as_str()?);
    Some(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}
