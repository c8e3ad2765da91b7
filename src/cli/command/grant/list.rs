//! `grantd grant list`.

use serde_json::{Value, json};

use crate::cli::{
    answer::{Batch, Content, PrintedColumns, Row},
    args::{ListArgs, ListFormat},
    error::CliError,
    output::{Console, DocumentFormat, Table, one_line},
    resource::{API_VERSION, GRANT_KIND, Scope},
    server::Server,
};

pub(crate) async fn run(args: &ListArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let scope = if args.all_namespaces { Scope::All } else { Scope::Namespace(args.namespace.parse()?) };
    match args.output {
        Some(ListFormat::Json) => console.document(&list(&server.grants(&scope).await?), DocumentFormat::Json)?,
        Some(ListFormat::Yaml) => console.document(&list(&server.grants(&scope).await?), DocumentFormat::Yaml)?,
        Some(ListFormat::Name) => {
            for row in server.grant_rows(&scope).await?.iter().flat_map(rows) {
                console.line(format_args!("{GRANT_KIND}/{}", one_line(&row.object.metadata.name)))?;
            }
        }
        None => match (table(&scope, &server.grant_rows(&scope).await?), scope) {
            (Some(table), _) => console.line(table)?,
            (None, Scope::Namespace(namespace)) => {
                console.note(format_args!("No access grants in namespace \"{namespace}\""));
            }
            (None, Scope::All) => console.note("No access grants"),
        },
    }
    Ok(())
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": API_VERSION, "kind": "AccessGrantList", "metadata": {}, "items": items})
}

fn rows(page: &Batch) -> &[Row] {
    match &page.content {
        Content::Table { rows, .. } => rows,
        Content::Objects(_) => &[],
    }
}

/// The rows of all pages under the columns of the first one; `None` when there is no row.
fn table(scope: &Scope, pages: &[Batch]) -> Option<Table> {
    let Content::Table { columns, .. } = &pages.first()?.content else { return None };
    let columns = PrintedColumns::of(scope, columns);
    let mut table = Table::new(&columns.headings());
    let mut rows = pages.iter().flat_map(rows).peekable();
    rows.peek()?;
    rows.for_each(|row| table.row(columns.cells(row)));
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Form;

    fn page(rows: &Value) -> Batch {
        let answer = json!({"kind": "Table", "rows": rows, "columnDefinitions": [
            {"name": "Name"}, {"name": "Redemptions Allowed"}, {"name": "Message"}, {"name": "Detail", "priority": 1},
        ]});
        Batch::of_list(Form::Table, answer).unwrap()
    }

    #[test]
    fn the_columns_are_the_server_s_and_the_namespace_is_the_first() {
        let row = |name: &str, message: &str| json!({"cells": [name, 3, message, "x"], "object": {"metadata": {"name": name, "namespace": "west"}}});
        let pages = [page(&json!([row("a", "")])), page(&json!([row("offer", "OK")]))];
        assert_eq!(
            table(&Scope::Namespace("west".parse().unwrap()), &pages).unwrap().to_string(),
            "NAME   REDEMPTIONS ALLOWED  MESSAGE\n\
             a      3                    -\n\
             offer  3                    OK"
        );
        assert!(table(&Scope::All, &pages).unwrap().to_string().starts_with("NAMESPACE  NAME   "));
        assert!(table(&Scope::All, &[page(&json!([]))]).is_none());
    }
}
