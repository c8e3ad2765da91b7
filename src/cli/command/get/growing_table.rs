//! A table that is printed while its rows arrive.

use crate::cli::{
    answer::{Column, PrintedColumns, Row},
    output::aligned,
    resource::Scope,
};

/// The headings and the present widths of the columns. Later rows are aligned with earlier ones; only a cell that is wider
/// than all before it moves the cells to its right.
#[derive(Debug)]
pub(super) struct GrowingTable {
    scope: Scope,
    /// `None` until the server has sent them.
    columns: Option<PrintedColumns>,
    widths: Vec<usize>,
    printed_rows: usize,
}

impl GrowingTable {
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope, columns: None, widths: Vec::new(), printed_rows: 0 }
    }

    /// The lines of these rows, each with a line break; the headings come before the very first row. A watch gives the columns
    /// once, or with each row.
    pub(super) fn lines(&mut self, columns: &[Column], rows: &[Row]) -> String {
        if self.columns.is_none() && !columns.is_empty() {
            self.columns = Some(PrintedColumns::of(&self.scope, columns));
        }
        let Some(columns) = &self.columns else { return String::new() };
        let mut lines: Vec<Vec<String>> = Vec::with_capacity(rows.len() + 1);
        if self.printed_rows == 0 && !rows.is_empty() {
            lines.push(columns.headings());
        }
        self.printed_rows += rows.len();
        lines.extend(rows.iter().map(|row| columns.cells(row)));
        for line in &lines {
            self.widths.resize(self.widths.len().max(line.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        lines.iter().map(|line| aligned(line, &self.widths) + "\n").collect()
    }
}
