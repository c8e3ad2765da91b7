//! Objects as a table: the form in which `kubectl get` asks for what it prints (kubectl.md 4.3).

use hyper::{HeaderMap, header::ACCEPT};
use serde_json::{Map, Value, json};

use super::{
    age::age,
    column::{Cell, Column},
    resource_type::ResourceType,
};
use crate::{
    kube::{
        problem::status::Problem,
        wire::{
            query::Query,
            reply::{Body, Reply},
        },
    },
    time::Timestamp,
};

/// The column that comes first, whatever the type.
static NAME: Column = Column {
    name: "Name",
    value_type: "string",
    description: "Unique in its namespace",
    cell: Cell::Path(&["metadata", "name"]),
};

/// What a row says of its object's metadata. Not the annotations: kubectl keeps the manifest that was applied in one of
/// them, and a manifest may hold a code.
const ROW_METADATA: [&str; 7] =
    ["name", "namespace", "uid", "labels", "creationTimestamp", "resourceVersion", "generation"];

/// What the table of one object keeps of its metadata.
const TABLE_METADATA: [&str; 1] = ["resourceVersion"];

/// The table that a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableForm {
    /// Of the table, and of the metadata in its rows.
    api_version: &'static str,
    include: IncludeObject,
}

/// What each row holds beside its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IncludeObject {
    Nothing,
    Metadata,
    Object,
}

impl TableForm {
    /// What `Accept` and `includeObject` ask for; `None` when the objects themselves are wanted.
    ///
    /// The first media range that can be served decides; where none can, it is the objects.
    ///
    /// # Errors
    /// 400 for an `includeObject` that there is not.
    pub(crate) fn read(headers: &HeaderMap, query: &Query) -> Result<Option<Self>, Problem> {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        match accepted.flat_map(|value| value.split(',')).find_map(Offer::read) {
            Some(Offer::Table { api_version }) => Ok(Some(Self { api_version, include: IncludeObject::read(query)? })),
            Some(Offer::Objects) | None => Ok(None),
        }
    }

    /// A reply with an object in it, with the table in its place and everything else as it was.
    pub(crate) fn reply(self, resource: &ResourceType, reply: Reply, now: Timestamp) -> Reply {
        let body = match reply.body {
            Body::Json(value) => Body::Json(self.table(resource, value, now)),
            other @ (Body::Text(_) | Body::Written(_) | Body::EmptyProtobuf | Body::Events(_)) => other,
        };
        Reply { body, ..reply }
    }

    /// The table of one object, with the ages that it has `now`.
    pub(crate) fn table(self, resource: &ResourceType, object: Value, now: Timestamp) -> Value {
        let metadata: Map<String, Value> = TABLE_METADATA
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), object.get("metadata")?.get(name)?.clone())))
            .collect();
        let mut table = json!({"kind": "Table", "apiVersion": self.api_version});
        table["metadata"] = metadata.into();
        table["columnDefinitions"] = columns(resource).map(definition).collect();
        table["rows"] = vec![self.row(resource, object, now)].into();
        table
    }

    /// How the table of a list begins: rows come next, then `],"metadata":`, and the end.
    pub(crate) fn beginning(self, resource: &ResourceType) -> String {
        let definitions: Value = columns(resource).map(definition).collect();
        let version = self.api_version;
        format!(r#"{{"kind":"Table","apiVersion":"{version}","columnDefinitions":{definitions},"rows":["#)
    }

    /// The row of an object, with the ages that it has `now`.
    pub(crate) fn row(self, resource: &ResourceType, object: Value, now: Timestamp) -> Value {
        let cells: Value = columns(resource).map(|column| cell(&object, column.cell, now)).collect();
        let mut row = json!({});
        row["cells"] = cells;
        match self.include {
            IncludeObject::Nothing => {}
            IncludeObject::Metadata => row["object"] = self.partial(object),
            IncludeObject::Object => row["object"] = object,
        }
        row
    }

    /// Kubernetes' PartialObjectMetadata. Without its kind and version kubectl would throw the whole table away
    /// (kubectl.md 3.5).
    fn partial(self, mut object: Value) -> Value {
        let mut partial = json!({"kind": "PartialObjectMetadata", "apiVersion": self.api_version});
        let mut metadata = object.get_mut("metadata").map(Value::take).unwrap_or_default();
        if let Value::Object(members) = &mut metadata {
            members.retain(|name, _| ROW_METADATA.contains(&name.as_str()));
        }
        partial["metadata"] = metadata;
        partial
    }
}

impl IncludeObject {
    fn read(query: &Query) -> Result<Self, Problem> {
        match query.one("includeObject")? {
            Some("None") => Ok(Self::Nothing),
            Some("Metadata") | None => Ok(Self::Metadata),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(Problem::BadRequest(format!(
                "includeObject: Unsupported value: {other:?}: supported values: \"Metadata\", \"None\", \"Object\""
            ))),
        }
    }
}

/// What is served to one media range.
enum Offer {
    Objects,
    Table { api_version: &'static str },
}

impl Offer {
    /// `None` when the range takes nothing that is served.
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
                // A weight of zero refuses (RFC 9110 12.4.2).
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

fn columns(resource: &ResourceType) -> impl Iterator<Item = &'static Column> {
    std::iter::once(&NAME).chain(resource.columns)
}

/// As clients with types expect it: Kubernetes leaves no member out.
fn definition(column: &Column) -> Value {
    let format = if column.cell == NAME.cell { "name" } else { "" };
    json!({
        "name": column.name, "type": column.value_type, "format": format, "description": column.description,
        "priority": 0,
    })
}

/// Null where the object has no such member.
fn cell(object: &Value, cell: Cell, now: Timestamp) -> Value {
    match cell {
        Cell::Path(path) => at(object, path).cloned().unwrap_or_default(),
        Cell::CountOf(path) => at(object, path).map_or(0, count).into(),
        Cell::AgeOf(path) => {
            let since = at(object, path).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
            since.map(|since| age(now.since(since))).into()
        }
    }
}

fn at<'v>(object: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(object, |value, member| value.get(member))
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_holds_a_value_a_number_or_an_age() {
        let now = Timestamp::from_unix_seconds(1_700_000_000);
        let object = json!({
            "metadata": {"creationTimestamp": "2023-11-14T22:10:50Z", "labels": {"a": "1", "b": "2"}}, "items": [1],
        });
        let table: [(Cell, Value); 9] = [
            (Cell::Path(&["metadata", "labels", "b"]), json!("2")),
            (Cell::Path(&["metadata", "none", "b"]), json!(null)),
            (Cell::CountOf(&["metadata", "labels"]), json!(2)),
            (Cell::CountOf(&["items"]), json!(1)),
            (Cell::CountOf(&["none"]), json!(0)),
            (Cell::AgeOf(&["metadata", "creationTimestamp"]), json!("2m30s")),
            (Cell::AgeOf(&["metadata", "labels", "a"]), json!(null)),
            (Cell::AgeOf(&["none"]), json!(null)),
            (Cell::AgeOf(&["items"]), json!(null)),
        ];
        for (kind, written) in table {
            assert_eq!(cell(&object, kind, now), written, "{kind:?}");
        }
        let earlier = Timestamp::from_unix_seconds(1_600_000_000);
        assert_eq!(cell(&object, Cell::AgeOf(&["metadata", "creationTimestamp"]), earlier), "0s");
    }
}
