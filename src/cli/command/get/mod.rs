//! `grantd get`.

mod follow;
mod growing_table;
mod list_document;
mod listing;
mod printer;
mod subject;
#[cfg(test)]
mod tests;

use self::{
    follow::follow,
    listing::{list, one},
    printer::Printer,
    subject::Subject,
};
use crate::cli::{args::GetArgs, error::CliError, output::Console, server::Server};

pub async fn run(args: &GetArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let subject = Subject::of(args)?;
    if args.watch {
        let mut printer = Printer::of_events(args.output, &subject);
        let listed = list(&subject, server, &mut printer, console).await?;
        if listed.objects == 0 {
            found_nothing(&subject, server, &printer, console).await?;
        }
        return follow(&subject, server, &mut printer, console, listed.resource_version).await;
    }
    if subject.name().is_some() {
        let mut printer = Printer::of_events(args.output, &subject);
        return printer.print(&one(&subject, server, &printer).await?, console);
    }
    let mut printer = Printer::of_list(args.output, &subject);
    let listed = list(&subject, server, &mut printer, console).await?;
    printer.end(console)?;
    if listed.objects == 0 && !printer.is_document() {
        console.note(subject.nothing());
    }
    Ok(())
}

/// A watch of nothing: of a name that is not there it is refused, in the server's words.
async fn found_nothing(
    subject: &Subject,
    server: &Server,
    printer: &Printer,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    if subject.name().is_some() {
        return one(subject, server, printer).await.map(|_| ());
    }
    console.note(subject.nothing());
    Ok(())
}
