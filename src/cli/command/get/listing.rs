//! Requests for objects: a list page by page, or one named object.

use super::{printer::Printer, query::Query};
use crate::cli::{
    answer::Batch,
    error::CliError,
    output::Console,
    server::{MOST_PAGES, Server, endless},
};

/// Facts about a list that was printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) objects: usize,
    /// The version from which a watch continues.
    pub(super) resource_version: String,
}

/// Prints a list page by page, so that only one page is in memory.
pub(super) async fn list(
    query: &Query,
    server: &Server,
    printer: &mut Printer,
    console: &mut Console<'_>,
) -> Result<Listed, CliError> {
    let mut token = None::<String>;
    let mut listed = None::<Listed>;
    for _ in 0..MOST_PAGES {
        let answer = server.read(printer.form(), &query.page_path(token.as_deref())).await;
        // An empty list is an answer 200, so a 404 means that the server does not have the kind.
        let answer = answer.map_err(|error| if error.status() == Some(404) { query.unknown() } else { error })?;
        let batch = Batch::of_list(printer.form(), answer)?;
        printer.print(&batch, console)?;
        // The version of the first page, so that a change during the other pages is printed twice rather than never.
        let listed =
            listed.get_or_insert_with(|| Listed { objects: 0, resource_version: batch.resource_version().to_owned() });
        listed.objects += batch.len();
        match batch.next_page() {
            Some(next) => token = Some(next.to_owned()),
            None => return Ok(Listed { objects: listed.objects, resource_version: listed.resource_version.clone() }),
        }
    }
    Err(endless())
}

/// Prints the named object.
pub(super) async fn one(query: &Query, server: &Server, printer: &Printer) -> Result<Batch, CliError> {
    let answer = server.read(printer.form(), &query.object_path()).await.map_err(|error| {
        if error.status() == Some(404) { CliError::refused(error.to_string(), query.hint()) } else { error }
    })?;
    Batch::of_object(printer.form(), answer)
}
