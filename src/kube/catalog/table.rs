//! Objects as a table, the form that `kubectl get` asks for and prints (docs/kubernetes-api.md section 4.3).

use serde_json::{Map, Value, json};

use super::{
    age::age,
    column::{Cell, Column},
    resource_type::ResourceType,
};
use crate::time::Timestamp;

/// The first column of every type.
static NAME: Column = Column {
    name: "Name",
    value_type: "string",
    description: "Unique in its namespace",
    cell: Cell::Path(&["metadata", "name"]),
};

/// The members of an object's metadata that a row of a list has. Annotations are left out: kubectl stores the applied
/// manifest in one of them, and a manifest may contain a code.
const ROW_METADATA: [&str; 7] =
    ["name", "namespace", "uid", "labels", "creationTimestamp", "resourceVersion", "generation"];

/// The members of an object's metadata that a table with one object has.
const TABLE_METADATA: [&str; 1] = ["resourceVersion"];

/// The table that a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableForm {
    /// The version of the table, and of the metadata in its rows.
    pub(crate) api_version: &'static str,
    pub(crate) include: IncludeObject,
}

/// The content of each row besides its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IncludeObject {
    Nothing,
    Metadata,
    Object,
}

impl TableForm {
    /// The table of one object, with ages as of `now`.
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

    /// The beginning of the table of a list; the rows follow, then `],"metadata":`, the metadata and the end.
    pub(crate) fn beginning(self, resource: &ResourceType) -> String {
        let definitions: Value = columns(resource).map(definition).collect();
        let version = self.api_version;
        format!(r#"{{"kind":"Table","apiVersion":"{version}","columnDefinitions":{definitions},"rows":["#)
    }

    /// The row of an object, with ages as of `now`.
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

    /// Kubernetes' PartialObjectMetadata. Without its kind and version kubectl would discard the whole table
    /// (docs/kubernetes-api.md section 3.5).
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

fn columns(resource: &ResourceType) -> impl Iterator<Item = &'static Column> {
    std::iter::once(&NAME).chain(resource.columns)
}

/// A column in Kubernetes' form. All members are present, as typed clients expect.
fn definition(column: &Column) -> Value {
    let format = if column.cell == NAME.cell { "name" } else { "" };
    json!({
        "name": column.name, "type": column.value_type, "format": format, "description": column.description,
        "priority": 0,
    })
}

/// The value of a cell; null when the object does not have the member.
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
