//! `grantd link status`.

use std::{path::Path, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};

use super::directory;
use crate::{
    cli::{
        args::LinkStatusArgs,
        error::CliError,
        output::{Console, Table, printable, shell_word},
        resource::{self, API_VERSION, Metadata, Scope},
        server::Server,
    },
    client::NetworkProber,
    link::ResourceName,
};

/// Tests the links of a directory of redeemed files from this host.
pub(crate) async fn of_files(
    args: &LinkStatusArgs,
    directory: &Path,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let name = name(args)?;
    let found = directory::read(directory, name.as_ref())?;
    let mut failures = found.failures;
    if found.links.is_empty() && !failures.is_empty() {
        return CliError::all(failures);
    }
    let what = if found.links.len() == 1 { "the other site's router" } else { "the other sites' routers" };
    let links = console.wait(what, directory::probe(found.links, Arc::new(NetworkProber::default()))).await;
    let source = Source { place: format!("in {}", directory.display()), list: list_command(directory), scope: None };
    failures.extend(show(args, name.as_ref(), &source, links, console).err());
    CliError::all(failures)
}

fn list_command(directory: &Path) -> String {
    format!("grantd link status --from {}", shell_word(directory))
}

/// Shows the links of the server, with the results of its tests.
pub(crate) async fn of_server(
    args: &LinkStatusArgs,
    server: &Server,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let name = name(args)?;
    let scope = if args.all_namespaces { Scope::All } else { Scope::Namespace(args.namespace.parse()?) };
    let links = server.links(&scope).await?;
    let source = match &scope {
        Scope::Namespace(namespace) => Source {
            place: format!("in namespace \"{namespace}\""),
            list: format!("grantd link status -n {namespace}"),
            scope: Some(scope),
        },
        Scope::All => Source {
            place: "in any namespace".to_owned(),
            list: "grantd link status -A".to_owned(),
            scope: Some(scope),
        },
    };
    show(args, name.as_ref(), &source, links, console)
}

fn name(args: &LinkStatusArgs) -> Result<Option<ResourceName>, CliError> {
    let parse = |text: &String| {
        text.parse().map_err(|error| CliError::usage(format!("link name {text:?} is not valid: it {error}")))
    };
    args.name.as_ref().map(parse).transpose()
}

/// The place where links were searched.
struct Source {
    /// The place in messages: "in namespace \"west\"", "in links".
    place: String,
    /// The command that lists all of them.
    list: String,
    /// The scope of the request to the server, if there was one.
    scope: Option<Scope>,
}

/// The members of a Link that are shown.
#[derive(Debug, Deserialize)]
struct Shown {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    cost: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    status: String,
    message: String,
}

const READY: &str = "Ready";

impl Shown {
    /// The cost. 0 and an absent cost mean the default, 1 (docs/protocol.md section 2.3).
    fn cost(&self) -> String {
        self.spec.cost.max(1).to_string()
    }

    fn is_ready(&self) -> bool {
        self.status.status == READY
    }
}

fn show(
    args: &LinkStatusArgs,
    name: Option<&ResourceName>,
    source: &Source,
    mut objects: Vec<Value>,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let mut links: Vec<Shown> = objects.iter().map(resource::read).collect::<Result<_, _>>()?;
    if let Some(name) = name {
        let index = links.iter().position(|link| link.metadata.name == name.as_str()).ok_or_else(|| {
            let (place, list) = (&source.place, &source.list);
            CliError::refused(
                format!("There is no link resource {place} with the name \"{name}\""),
                format!("'{list}' shows the links there are"),
            )
        })?;
        let (link, object) = (links.swap_remove(index), objects.swap_remove(index));
        match args.output {
            Some(format) => console.document(&object, format)?,
            None => print_one(&link, console)?,
        }
        return all_ready(&[link]);
    }
    match args.output {
        Some(format) => console.document(&list(&objects), format)?,
        None if links.is_empty() => console.note(format_args!("There are no link resources {}", source.place)),
        None => console.line(table(source.scope.as_ref(), &links))?,
    }
    all_ready(&links)
}

fn all_ready(links: &[Shown]) -> Result<(), CliError> {
    match links.iter().filter(|link| !link.is_ready()).count() {
        0 => Ok(()),
        not_ready => Err(CliError::LinksNotReady { not_ready, all: links.len() }),
    }
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": API_VERSION, "kind": "LinkList", "metadata": {}, "items": items})
}

/// The text for one link, as in Skupper's own command (docs/protocol.md section 5.3).
fn print_one(link: &Shown, console: &mut Console<'_>) -> Result<(), CliError> {
    let Shown { metadata, status, .. } = link;
    let cost = link.cost();
    for (key, value) in
        [("Name", &metadata.name), ("Status", &status.status), ("Cost", &cost), ("Message", &status.message)]
    {
        console.line(format_args!("{:<9}{}", format!("{key}:"), printable(value)).to_string().trim_end())?;
    }
    Ok(())
}

/// The table of links, with the columns of Skupper's own command (docs/protocol.md section 5.3). The namespace comes first if
/// there may be several.
fn table(scope: Option<&Scope>, links: &[Shown]) -> Table {
    let mut headings = vec!["NAME", "STATUS", "COST", "MESSAGE"];
    let with_namespace = matches!(scope, Some(Scope::All));
    if with_namespace {
        headings.insert(0, "NAMESPACE");
    }
    let mut table = Table::new(&headings);
    for link in links {
        let Shown { metadata, status, .. } = link;
        let mut row = vec![metadata.name.clone(), status.status.clone(), link.cost(), status.message.clone()];
        if with_namespace {
            row.insert(0, metadata.namespace.clone());
        }
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests;
