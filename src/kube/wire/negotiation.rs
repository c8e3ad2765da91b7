//! Which form of an answer a client asks for (docs/kubernetes-api.md section 4.3).

use hyper::{HeaderMap, header::ACCEPT};

use super::{
    query::Query,
    reply::{Body, Reply},
};
use crate::{
    kube::{
        catalog::{
            resource_type::ResourceType,
            table::{IncludeObject, TableForm},
        },
        problem::status::Problem,
    },
    time::Timestamp,
};

/// The table that `Accept` and `includeObject` ask for; `None` when the objects themselves are wanted.
///
/// The first media range that can be served decides; if none can be, the objects are sent.
///
/// # Errors
/// 400 for an unknown `includeObject`.
pub(crate) fn table_form(headers: &HeaderMap, query: &Query) -> Result<Option<TableForm>, Problem> {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    match accepted.flat_map(|value| value.split(',')).find_map(Offer::read) {
        Some(Offer::Table { api_version }) => Ok(Some(TableForm { api_version, include: include_object(query)? })),
        Some(Offer::Objects) | None => Ok(None),
    }
}

/// The reply with its object replaced by the table, and otherwise unchanged.
pub(crate) fn as_table(form: TableForm, resource: &ResourceType, reply: Reply, now: Timestamp) -> Reply {
    let body = match reply.body {
        Body::Json(value) => Body::Json(form.table(resource, value, now)),
        other @ (Body::Text(_) | Body::Written(_) | Body::EmptyProtobuf | Body::Events(_)) => other,
    };
    Reply { body, ..reply }
}

fn include_object(query: &Query) -> Result<IncludeObject, Problem> {
    match query.one("includeObject")? {
        Some("None") => Ok(IncludeObject::Nothing),
        Some("Metadata") | None => Ok(IncludeObject::Metadata),
        Some("Object") => Ok(IncludeObject::Object),
        Some(other) => Err(Problem::BadRequest(format!(
            "includeObject: Unsupported value: {other:?}: supported values: \"Metadata\", \"None\", \"Object\""
        ))),
    }
}

/// The form that is sent for one media range.
enum Offer {
    Objects,
    Table { api_version: &'static str },
}

impl Offer {
    /// `None` when no served form matches the range.
    fn read(range: &str) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next()?.to_ascii_lowercase();
        if !["application/json", "application/*", "*/*"].contains(&media_type.as_str()) {
            return None;
        }
        let (mut form, mut group, mut version) = (None, "", "");
        for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
            match name.to_ascii_lowercase().as_str() {
                "as" => form = Some(value),
                "g" => group = value,
                "v" => version = value,
                // A weight of zero means "not acceptable" (RFC 9110 12.4.2).
                "q" if value.starts_with('0') && value.bytes().all(|byte| b"0.".contains(&byte)) => return None,
                _ => {}
            }
        }
        match (form, group, version) {
            (None, _, _) => Some(Self::Objects),
            (Some("Table"), "meta.k8s.io", "v1") => Some(Self::Table { api_version: "meta.k8s.io/v1" }),
            (Some("Table"), "meta.k8s.io", "v1beta1") => Some(Self::Table { api_version: "meta.k8s.io/v1beta1" }),
            (Some(_), _, _) => None,
        }
    }
}
