//! Links: where a site connects to (docs/protocol.md section 4.4).

use serde_json::{Map, Value, json};

use super::stored::{Body, Generation, StoredKind};
use crate::{
    app::App,
    kube::{
        catalog::{link::LINKS, prune::prune},
        problem::{
            cause::Cause,
            faults::{Faults, object, text},
        },
    },
    link::{EndpointName, Group, Host, Port, ResourceName},
    store::{ObjectKind, StoredObject},
};

/// The behaviour of Links; they are stored in this form.
pub(crate) static STORED: StoredKind = StoredKind {
    resource: &LINKS,
    object: ObjectKind::Link,
    longest_name: ResourceName::MAX_BYTES,
    generation: Generation::Shown,
    read_spec,
    keep: StoredKind::keep_nothing,
    check_change: StoredKind::change_anything,
    show,
};

/// The most endpoints of one Link: many times the number of a site with several routers. Without a limit, repeated patches
/// could make a list of any length.
const MOST_ENDPOINTS: usize = 128;

fn read_spec(faults: &mut Faults, members: &Map<String, Value>) -> Body {
    let spec = object(members, "spec");
    if let Some(Value::Array(endpoints)) = spec.get("endpoints") {
        if endpoints.is_empty() {
            faults.add(Cause::required("spec.endpoints", "must be given"));
        }
        if endpoints.len() > MOST_ENDPOINTS {
            faults.add(Cause::too_many("spec.endpoints", endpoints.len(), MOST_ENDPOINTS));
        }
        for (index, endpoint) in endpoints.iter().enumerate().take(MOST_ENDPOINTS) {
            if let Value::Object(endpoint) = endpoint {
                check_endpoint(faults, index, endpoint);
            }
        }
    }
    check_value::<ResourceName>(faults, "spec.tlsCredentials", text(spec, "tlsCredentials"));
    check_cost(faults, spec);
    prune(LINKS.fields, members)
}

fn check_endpoint(faults: &mut Faults, index: usize, endpoint: &Map<String, Value>) {
    let field = |name: &str| format!("spec.endpoints[{index}].{name}");
    check_value::<EndpointName>(faults, &field("name"), text(endpoint, "name"));
    check_value::<Host>(faults, &field("host"), text(endpoint, "host"));
    check_value::<Port>(faults, &field("port"), text(endpoint, "port"));
    check_value::<Group>(faults, &field("group"), text(endpoint, "group"));
}

/// Adds a fault when the text is present and is not a valid `T`.
pub(crate) fn check_value<T>(faults: &mut Faults, field: &str, text: Option<&str>)
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    if let Some(text) = text
        && let Err(error) = text.parse::<T>()
    {
        faults.add(Cause::invalid(field, text, error));
    }
}

/// Adds a fault when `spec.cost` is present and is not a valid cost.
pub(crate) fn check_cost(faults: &mut Faults, spec: &Map<String, Value>) {
    if let Some(Value::Number(cost)) = spec.get("cost")
        && cost.as_u64().and_then(|cost| u32::try_from(cost).ok()).is_none_or(|cost| cost == 0)
    {
        faults.add(Cause::invalid("spec.cost", cost, "must be a whole number, 1 or more"));
    }
}

fn show(_: &App, link: &StoredObject) -> Body {
    shown(link)
}

/// The body of the link. If no controller has processed the link yet, its status is pending, in Skupper's words.
pub(crate) fn shown(link: &StoredObject) -> Body {
    let mut body = link.content.body.clone();
    body.entry("status").or_insert_with(|| json!({"status": "Pending", "message": "Not Operational"}));
    body
}
