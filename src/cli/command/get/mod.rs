//! `grantd get`.

mod follow;
mod growing_table;
mod list_document;
mod listing;
mod printer;
mod query;
#[cfg(test)]
mod tests;

use self::{
    follow::follow,
    listing::{list, one},
    printer::Printer,
    query::Query,
};
use crate::cli::{args::GetArgs, error::CliError, output::Console, server::Server};

pub(crate) async fn run(args: &GetArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let query = Query::of(args)?;
    if args.watch {
        let mut printer = Printer::of_events(args.output, &query);
        let listed = list(&query, server, &mut printer, console).await?;
        if listed.objects == 0 {
            found_nothing(&query, server, &printer, console).await?;
        }
        return follow(&query, server, &mut printer, console, listed.resource_version).await;
    }
    if query.name().is_some() {
        let mut printer = Printer::of_events(args.output, &query);
        return printer.print(&one(&query, server, &printer).await?, console);
    }
    let mut printer = Printer::of_list(args.output, &query);
    let listed = list(&query, server, &mut printer, console).await?;
    printer.end(console)?;
    if listed.objects == 0 && !printer.is_document() {
        console.note(query.nothing());
    }
    Ok(())
}

/// Handles an empty result. A name that does not exist is refused, in the server's words, instead of being watched.
async fn found_nothing(
    query: &Query,
    server: &Server,
    printer: &Printer,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    if query.name().is_some() {
        return one(query, server, printer).await.map(|_| ());
    }
    console.note(query.nothing());
    Ok(())
}
