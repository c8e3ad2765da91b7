//! Answers of the server: objects, or a table of objects.

use serde::Deserialize;
use serde_json::Value;

use super::{
    error::CliError,
    output::one_line,
    resource::{self, Scope},
};
use crate::client::{AdminError, Form};

/// The objects of one answer: a page of a list, a single object, or the object of an event.
#[derive(Debug)]
pub(super) struct Batch {
    metadata: Metadata,
    pub(super) content: Content,
}

/// The objects, in the form that was asked for.
#[derive(Debug)]
pub(super) enum Content {
    Table { columns: Vec<Column>, rows: Vec<Row> },
    Objects(Vec<Value>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    resource_version: String,
    #[serde(rename = "continue")]
    token: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    /// The priority; a column with a priority above 0 is not printed.
    #[serde(default)]
    pub(super) priority: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) cells: Vec<Value>,
    #[serde(default)]
    pub(super) object: RowObject,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RowObject {
    #[serde(default)]
    pub(super) metadata: resource::Metadata,
}

/// Reads a list that may be absent or null, which both mean an empty one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TableDocument {
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    column_definitions: Option<Vec<Column>>,
    rows: Option<Vec<Row>>,
}

#[derive(Deserialize)]
struct ListDocument {
    #[serde(default)]
    metadata: Metadata,
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct ObjectDocument {
    metadata: Metadata,
}

impl Batch {
    /// Reads a page of a list.
    ///
    /// # Errors
    /// [`AdminError::Malformed`].
    pub(super) fn of_list(form: Form, answer: Value) -> Result<Self, CliError> {
        match form {
            Form::Table => Self::table(&answer),
            Form::Objects => {
                let ListDocument { metadata, items } = serde_json::from_value(answer).map_err(|_| malformed())?;
                Ok(Self { metadata, content: Content::Objects(items.unwrap_or_default()) })
            }
        }
    }

    /// Reads a single object.
    ///
    /// # Errors
    /// [`AdminError::Malformed`].
    pub(super) fn of_object(form: Form, answer: Value) -> Result<Self, CliError> {
        match form {
            Form::Table => Self::table(&answer),
            Form::Objects => {
                let ObjectDocument { metadata } = resource::read(&answer)?;
                Ok(Self { metadata, content: Content::Objects(vec![answer]) })
            }
        }
    }

    fn table(answer: &Value) -> Result<Self, CliError> {
        let table: TableDocument = resource::read(answer)?;
        if table.kind != "Table" {
            return Err(malformed());
        }
        let (columns, rows) = (table.column_definitions.unwrap_or_default(), table.rows.unwrap_or_default());
        Ok(Self { metadata: table.metadata, content: Content::Table { columns, rows } })
    }

    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Table { rows, .. } => rows.len(),
            Content::Objects(items) => items.len(),
        }
    }

    /// The version of the list or of the single object.
    pub(super) fn resource_version(&self) -> &str {
        match &self.content {
            Content::Table { rows, .. } if self.metadata.resource_version.is_empty() => {
                rows.last().map_or("", |row| &row.object.metadata.resource_version)
            }
            Content::Table { .. } | Content::Objects(_) => &self.metadata.resource_version,
        }
    }

    /// The token for the next page.
    pub(super) fn next_page(&self) -> Option<&str> {
        Some(self.metadata.token.as_str()).filter(|token| !token.is_empty())
    }
}

fn malformed() -> CliError {
    CliError::Admin(AdminError::Malformed { what: "the answer is not of the kind that was asked for" })
}

/// The printed columns of a table; with the namespace as the first one if there may be several namespaces.
#[derive(Debug)]
pub(super) struct PrintedColumns {
    scope: Scope,
    /// The index of a cell in its row, and its heading.
    columns: Vec<(usize, String)>,
}

impl PrintedColumns {
    pub(super) fn of(scope: &Scope, columns: &[Column]) -> Self {
        let printed = columns.iter().enumerate().filter(|(_, column)| column.priority == 0);
        let printed = printed.map(|(index, column)| (index, one_line(&column.name).to_uppercase()));
        Self { scope: scope.clone(), columns: printed.collect() }
    }

    pub(super) fn headings(&self) -> Vec<String> {
        let headings = self.columns.iter().map(|(_, heading)| heading.clone());
        self.namespace("NAMESPACE").into_iter().chain(headings).collect()
    }

    pub(super) fn cells(&self, row: &Row) -> Vec<String> {
        let cells = self.columns.iter().map(|(index, _)| row.cells.get(*index).map(cell).unwrap_or_default());
        self.namespace(&row.object.metadata.namespace).into_iter().chain(cells).collect()
    }

    fn namespace(&self, text: &str) -> Option<String> {
        match self.scope {
            Scope::All => Some(one_line(text)),
            Scope::Namespace(_) => None,
        }
    }
}

/// The text of a cell; empty if the value is unknown, as in kubectl.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => one_line(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => one_line(&value.to_string()),
    }
}
