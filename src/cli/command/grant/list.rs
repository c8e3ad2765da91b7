//! `grantd grant list`.

use serde_json::{Value, json};

use crate::cli::{
    args::{ListArgs, ListFormat},
    error::CliError,
    output::{Console, DocumentFormat, Table},
    resource::{self, API_VERSION, GRANT_KIND, Grant, Scope},
    server::Server,
};

pub async fn run(args: &ListArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let scope = if args.all_namespaces { Scope::All } else { Scope::Namespace(args.namespace.parse()?) };
    let items = server.grants(&scope).await?;
    match args.output {
        Some(ListFormat::Json) => Ok(console.document(&list(&items), DocumentFormat::Json)?),
        Some(ListFormat::Yaml) => Ok(console.document(&list(&items), DocumentFormat::Yaml)?),
        Some(ListFormat::Name) => {
            for item in &items {
                console.line(format_args!("{GRANT_KIND}/{}", resource::read::<Grant>(item)?.metadata.name))?;
            }
            Ok(())
        }
        None if items.is_empty() => {
            match scope {
                Scope::Namespace(namespace) => {
                    console.note(format_args!("No access grants in namespace \"{namespace}\""));
                }
                Scope::All => console.note("No access grants"),
            }
            Ok(())
        }
        None => {
            let grants: Vec<Grant> = items.iter().map(resource::read).collect::<Result<_, _>>()?;
            Ok(console.line(table(&scope, &grants))?)
        }
    }
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": API_VERSION, "kind": "AccessGrantList", "metadata": {}, "items": items})
}

/// kubectl's columns (protocol.md 4.1), the namespace first when there may be several.
fn table(scope: &Scope, grants: &[Grant]) -> Table {
    let mut headings = vec!["NAME", "REDEMPTIONS ALLOWED", "REDEMPTIONS MADE", "EXPIRATION", "STATUS", "MESSAGE"];
    match scope {
        Scope::All => headings.insert(0, "NAMESPACE"),
        Scope::Namespace(_) => {}
    }
    let mut table = Table::new(&headings);
    for Grant { metadata, spec, status } in grants {
        let mut row = vec![
            metadata.name.clone(),
            spec.redemptions_allowed.to_string(),
            status.redemptions.to_string(),
            status.expiration_time.clone(),
            status.status.clone(),
            status.message.clone(),
        ];
        match scope {
            Scope::All => row.insert(0, metadata.namespace.clone()),
            Scope::Namespace(_) => {}
        }
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_kubectl_s_and_the_namespace_stands_first() {
        let grant: Grant = resource::read(&json!({
            "metadata": {"name": "offer", "namespace": "west"},
            "spec": {"redemptionsAllowed": 3},
            "status": {"redemptions": 1, "expirationTime": "2026-01-02T03:04:05Z", "status": "Ready", "message": "OK"},
        }))
        .unwrap();
        let grants = [grant];
        assert_eq!(
            table(&Scope::Namespace("west".parse().unwrap()), &grants).to_string(),
            "NAME   REDEMPTIONS ALLOWED  REDEMPTIONS MADE  EXPIRATION            STATUS  MESSAGE\n\
             offer  3                    1                 2026-01-02T03:04:05Z  Ready   OK"
        );
        assert!(table(&Scope::All, &grants).to_string().starts_with("NAMESPACE  NAME   "));
    }
}
