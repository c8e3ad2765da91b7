//! `grantd ledger list` and `grantd ledger export`: the same rows, in the same formats.

mod csv;
mod filter;
mod row;

use filter::Filter;
use row::{GrowingTable, Row};
use serde_json::Value;

use crate::{
    cli::{
        args::{LedgerExportArgs, LedgerFilterArgs, LedgerFormat, LedgerListArgs},
        error::CliError,
        output::{Console, ConsoleError},
        resource::{self, Scope},
        server::Server,
    },
    time::Clock,
};

pub(crate) async fn list(args: &LedgerListArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    print(&args.filter, args.output, server, console).await
}

pub(crate) async fn export(
    args: &LedgerExportArgs,
    server: &Server,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    print(&args.filter, args.output, server, console).await
}

/// Prints page by page, so that the memory which that takes does not grow with the ledger.
async fn print(
    args: &LedgerFilterArgs,
    format: LedgerFormat,
    server: &Server,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let filter = Filter::of(args, Clock::system().now())?;
    let scope = if args.all_namespaces { Scope::All } else { Scope::Namespace(args.namespace.parse()?) };
    let mut rows = Rows { format, table: GrowingTable::default(), printed: 0, console };
    let mut unreadable = 0;
    if format == LedgerFormat::Csv {
        rows.console.line(csv::HEADINGS)?;
    }
    let mut token = None;
    loop {
        let page = server.ledger_page(&scope, token.as_deref()).await?;
        unreadable += page.metadata.unreadable;
        rows.print(&page.items, &filter)?;
        if page.metadata.token.is_empty() {
            break;
        }
        token = Some(page.metadata.token);
    }
    if unreadable > 0 {
        rows.console.note(format_args!("warning: {unreadable} rows of the ledger are damaged and were left out"));
    }
    if rows.printed == 0 && format == LedgerFormat::Table {
        rows.console.note("No redemptions");
    }
    Ok(())
}

/// What is printed, and how.
struct Rows<'a, 'b> {
    format: LedgerFormat,
    table: GrowingTable,
    printed: usize,
    console: &'a mut Console<'b>,
}

impl Rows<'_, '_> {
    fn print(&mut self, items: &[Value], filter: &Filter) -> Result<(), CliError> {
        let mut text = String::new();
        let mut cells = Vec::new();
        for item in items {
            let row: Row = resource::read(item)?;
            if !filter.matches(&row) {
                continue;
            }
            self.printed += 1;
            match self.format {
                LedgerFormat::Table => cells.push(row.cells()),
                LedgerFormat::Jsonl => text.push_str(&(line(&row)? + "\n")),
                LedgerFormat::Csv => text.push_str(&csv::line(&row)),
            }
        }
        text.push_str(&self.table.lines(cells));
        Ok(self.console.print(&text)?)
    }
}

fn line(row: &Row) -> Result<String, ConsoleError> {
    serde_json::to_string(row).map_err(|error| ConsoleError(std::io::Error::other(error)))
}
