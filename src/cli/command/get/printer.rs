//! Printing objects in the form that the user chose.

use super::{growing_table::GrowingTable, list_document::ListDocument, query::Query};
use crate::{
    cli::{
        answer::{Batch, Content},
        args::GetFormat,
        error::CliError,
        output::{Console, DocumentFormat, one_line},
    },
    client::Form,
};

/// Prints batch after batch.
#[derive(Debug)]
pub(super) struct Printer {
    qualified_kind: &'static str,
    style: Style,
}

#[derive(Debug)]
enum Style {
    Table(GrowingTable),
    Names,
    /// One document for each object.
    Documents {
        format: DocumentFormat,
        printed: usize,
    },
    /// One document for all objects.
    List(ListDocument),
}

impl Printer {
    /// A printer for a list, which is printed as one document.
    pub(super) fn of_list(output: GetFormat, query: &Query) -> Self {
        let list = |format| Style::List(ListDocument::new(format, query.api_version(), query.list_kind()));
        Self::new(query, output, list)
    }

    /// A printer for objects that are printed one by one.
    pub(super) fn of_events(output: GetFormat, query: &Query) -> Self {
        Self::new(query, output, |format| Style::Documents { format, printed: 0 })
    }

    fn new(query: &Query, output: GetFormat, document: impl FnOnce(DocumentFormat) -> Style) -> Self {
        let style = match output {
            GetFormat::Table => Style::Table(GrowingTable::new(query.scope().clone())),
            GetFormat::Name => Style::Names,
            GetFormat::Json => document(DocumentFormat::Json),
            GetFormat::Yaml => document(DocumentFormat::Yaml),
        };
        Self { qualified_kind: query.qualified_kind(), style }
    }

    /// The form to ask the server for. Names are read from the rows of a table too, which contain no secrets.
    pub(super) fn form(&self) -> Form {
        match self.style {
            Style::Table(_) | Style::Names => Form::Table,
            Style::Documents { .. } | Style::List(_) => Form::Objects,
        }
    }

    /// Whether the output is one document, which is printed even if the list is empty.
    pub(super) fn is_document(&self) -> bool {
        matches!(self.style, Style::List(_))
    }

    /// Prints these objects.
    pub(super) fn print(&mut self, batch: &Batch, console: &mut Console<'_>) -> Result<(), CliError> {
        match (&mut self.style, &batch.content) {
            (Style::Table(table), Content::Table { columns, rows }) => Ok(console.print(&table.lines(columns, rows))?),
            (Style::Names, Content::Table { rows, .. }) => {
                let kind = self.qualified_kind;
                let line = |name: &str| format!("{kind}/{}\n", one_line(name));
                let lines: String = rows.iter().map(|row| line(&row.object.metadata.name)).collect();
                Ok(console.print(&lines)?)
            }
            (Style::Documents { format, printed }, Content::Objects(objects)) => {
                for object in objects {
                    if *printed > 0 && *format == DocumentFormat::Yaml {
                        console.print("---\n")?;
                    }
                    *printed += 1;
                    console.document(object, *format)?;
                }
                Ok(())
            }
            (Style::List(document), Content::Objects(objects)) => Ok(document.items(objects, console)?),
            // Does not happen: the answer has the form of the request, which depends on the style.
            (Style::Table(_) | Style::Names, Content::Objects(_))
            | (Style::Documents { .. } | Style::List(_), Content::Table { .. }) => Ok(()),
        }
    }

    /// Prints the end of the output, after the last page of a list.
    pub(super) fn end(&mut self, console: &mut Console<'_>) -> Result<(), CliError> {
        match &mut self.style {
            Style::List(document) => Ok(document.end(console)?),
            Style::Table(_) | Style::Names | Style::Documents { .. } => Ok(()),
        }
    }
}
