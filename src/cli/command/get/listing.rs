//! Asking for objects: a list page by page, or the one that was named.

use super::{printer::Printer, query::Query};
use crate::cli::{
    answer::Batch,
    error::CliError,
    output::Console,
    server::{MOST_PAGES, Server, endless},
};

/// What a list was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) objects: usize,
    /// Where a watch goes on.
    pub(super) resource_version: String,
}

/// Prints a list page by page, so that no more than one page is held.
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
        // A list that is empty is a list: where there is none, the server does not know the kind.
        let answer = answer.map_err(|error| if error.status() == Some(404) { query.unknown() } else { error })?;
        let batch = Batch::of_list(printer.form(), answer)?;
        printer.print(&batch, console)?;
        // The first page's version, so that what changes while the others are read is seen twice rather than never.
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

/// The object that was named.
pub(super) async fn one(query: &Query, server: &Server, printer: &Printer) -> Result<Batch, CliError> {
    let answer = server.read(printer.form(), &query.object_path()).await.map_err(|error| {
        if error.status() == Some(404) { CliError::refused(error.to_string(), query.hint()) } else { error }
    })?;
    Batch::of_object(printer.form(), answer)
}
