//! A table that is printed as its rows come.

use serde_json::Value;

use super::batch::{Column, Row};
use crate::cli::{
    output::{aligned, one_line},
    resource::Scope,
};

/// The headings, and how wide the columns have been so far: later rows stand below earlier ones, and only a cell that is
/// wider than all before it moves those to its right.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Which cells of a row are printed, and what stands above them.
    columns: Vec<(usize, String)>,
    widths: Vec<usize>,
    printed_rows: usize,
}

impl Sheet {
    /// The lines of these rows, each with its end; the headings stand above the first row of all. A watch tells the
    /// columns once, or with each row.
    pub(super) fn lines(&mut self, scope: &Scope, columns: &[Column], rows: &[Row]) -> String {
        if self.columns.is_empty() {
            let shown = columns.iter().enumerate().filter(|(_, column)| column.priority == 0);
            self.columns = shown.map(|(index, column)| (index, one_line(&column.name).to_uppercase())).collect();
        }
        let mut lines: Vec<Vec<String>> = Vec::with_capacity(rows.len() + 1);
        if self.printed_rows == 0 && !rows.is_empty() {
            let headings = self.columns.iter().map(|(_, heading)| heading.clone());
            lines.push(namespace(scope, "NAMESPACE").into_iter().chain(headings).collect());
        }
        self.printed_rows += rows.len();
        for row in rows {
            let cells = self.columns.iter().map(|(index, _)| row.cells.get(*index).map(cell).unwrap_or_default());
            lines.push(namespace(scope, &row.object.metadata.namespace).into_iter().chain(cells).collect());
        }
        for line in &lines {
            self.widths.resize(self.widths.len().max(line.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        lines.iter().map(|line| aligned(line, &self.widths) + "\n").collect()
    }
}

/// The first column, where there may be several namespaces.
fn namespace(scope: &Scope, text: &str) -> Option<String> {
    match scope {
        Scope::All => Some(one_line(text)),
        Scope::Namespace(_) => None,
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
