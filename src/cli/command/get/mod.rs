//! `grantd get`.

mod batch;
mod follow;
mod list_document;
mod printer;
mod sheet;
mod subject;
#[cfg(test)]
mod tests;

use self::{batch::Batch, follow::follow, printer::Printer, subject::Subject};
use crate::{
    cli::{
        CliError,
        args::GetArgs,
        output::Console,
        server::{MOST_PAGES, Server},
    },
    client::AdminError,
};

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

/// What a list was.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    objects: usize,
    /// Where a watch goes on.
    resource_version: String,
}

/// Prints a list page by page, so that no more than one page is held.
async fn list(
    subject: &Subject,
    server: &Server,
    printer: &mut Printer,
    console: &mut Console<'_>,
) -> Result<Listed, CliError> {
    let mut token = None::<String>;
    let mut listed = None::<Listed>;
    for _ in 0..MOST_PAGES {
        let answer = server.read(printer.form(), &subject.page_path(token.as_deref())).await;
        // A list that is empty is a list: where there is none, the server does not know the kind.
        let answer = answer.map_err(|error| if error.status() == Some(404) { subject.unknown() } else { error })?;
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
    Err(CliError::Admin(AdminError::Malformed { what: "the list has no end" }))
}

/// The object that was named.
async fn one(subject: &Subject, server: &Server, printer: &Printer) -> Result<Batch, CliError> {
    let answer = server.read(printer.form(), &subject.object_path()).await.map_err(|error| {
        if error.status() == Some(404) { CliError::refused(error.to_string(), subject.hint()) } else { error }
    })?;
    Batch::of_object(printer.form(), answer)
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
