//! What the server answers: objects, or a table of them.

use serde::Deserialize;
use serde_json::Value;

use super::{
    error::CliError,
    output::one_line,
    resource::{self, Scope},
};
use crate::client::{AdminError, Form};

/// Some objects of one answer: a page of a list, one object, or that of an event.
#[derive(Debug)]
pub(super) struct Batch {
    metadata: Metadata,
    pub(super) content: Content,
}

/// In the form that was asked for.
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
    /// A column with one above 0 is not printed unless more is asked for.
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

/// Lists that are absent and lists that are null are empty.
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
    /// A page of a list.
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

    /// One object.
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

    /// The list's, or that of the only object.
    pub(super) fn resource_version(&self) -> &str {
        match &self.content {
            Content::Table { rows, .. } if self.metadata.resource_version.is_empty() => {
                rows.last().map_or("", |row| &row.object.metadata.resource_version)
            }
            Content::Table { .. } | Content::Objects(_) => &self.metadata.resource_version,
        }
    }

    /// What the next page is asked for with.
    pub(super) fn next_page(&self) -> Option<&str> {
        Some(self.metadata.token.as_str()).filter(|token| !token.is_empty())
    }
}

fn malformed() -> CliError {
    CliError::Admin(AdminError::Malformed { what: "the answer is not of the kind that was asked for" })
}

/// The columns of a table that are printed, the namespace first where there may be several.
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

/// What is not known is left empty, as kubectl does.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => one_line(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => one_line(&value.to_string()),
    }
}
