//! `grantd grant show`.

use crate::{
    cli::{
        args::ShowArgs,
        error::CliError,
        output::{Console, Table, printable},
        resource::{self, Grant, Redemption, grant_name, is_ready},
        server::Server,
    },
    grant::{GrantName, Namespace},
};

pub async fn run(args: &ShowArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let namespace: Namespace = args.namespace.parse()?;
    let name: GrantName = grant_name(&args.name)?;
    let object = server.grant(&namespace, &name).await?;
    if let Some(format) = args.output {
        return Ok(console.document(&object, format)?);
    }
    let grant: Grant = resource::read(&object)?;
    let ledger = server.redemptions(&namespace, &name).await?;
    for (key, value) in lines(&grant, args.show_code) {
        console.line(format_args!("{:<22}{}", format!("{key}:"), printable(&value)))?;
    }
    console.line("")?;
    if ledger.is_empty() {
        console.line("No redemptions")?;
    } else {
        console.line(table(&ledger))?;
    }
    Ok(())
}

fn lines(grant: &Grant, show_code: bool) -> Vec<(&'static str, String)> {
    let Grant { metadata, spec, status } = grant;
    let ready = if is_ready(&status.conditions) { "yes" } else { "no" };
    let code = match (show_code, status.code.is_empty()) {
        (true, _) => status.code.clone(),
        (false, false) => "hidden; --show-code shows it".to_owned(),
        (false, true) => String::new(),
    };
    let mut lines = vec![
        ("Name", metadata.name.clone()),
        ("Namespace", metadata.namespace.clone()),
        ("Uid", metadata.uid.clone()),
        ("Created", metadata.creation_timestamp.clone()),
        ("Expires", status.expiration_time.clone()),
        ("Expiration window", spec.expiration_window.clone()),
        ("Redemptions allowed", spec.redemptions_allowed.to_string()),
        ("Redemptions made", status.redemptions.to_string()),
        ("Issuer", spec.issuer.clone().unwrap_or_default()),
        ("Url", status.url.clone()),
        ("Code", code),
        ("Status", status.status.clone()),
        ("Message", status.message.clone()),
        ("Ready", ready.to_owned()),
    ];
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

fn table(ledger: &[Redemption]) -> Table {
    let mut table = Table::new(&["#", "WHEN", "NAME", "SUBJECT", "PEER", "SERIAL", "NOT AFTER"]);
    for row in ledger {
        table.row(vec![
            row.ordinal.to_string(),
            row.redeemed_at.clone(),
            row.name.clone(),
            row.subject.clone(),
            row.peer.clone().unwrap_or_default(),
            row.serial.clone(),
            row.not_after.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        resource::read(&serde_json::json!({
            "metadata": {"name": "offer", "namespace": "west"},
            "status": {"code": "canary", "status": "Ready"},
        }))
        .unwrap()
    }

    #[test]
    fn the_code_is_shown_on_request_only() {
        let shown = |show_code| format!("{:?}", lines(&grant(), show_code));
        assert!(!shown(false).contains("canary") && shown(false).contains("--show-code"));
        assert!(shown(true).contains("canary"));
    }

    #[test]
    fn a_ledger_row_without_a_peer_keeps_its_columns() {
        let row = serde_json::json!({"ordinal": 1, "redeemedAt": "2026-01-02T03:04:05Z", "name": "east", "subject": "a b",
            "peer": null, "serial": "6BAB", "keyFingerprint": "00", "notAfter": "2031-01-01T00:00:00Z"});
        let text = table(&[resource::read(&row).unwrap()]).to_string();
        assert_eq!(
            text,
            "#  WHEN                  NAME  SUBJECT  PEER  SERIAL  NOT AFTER\n\
             1  2026-01-02T03:04:05Z  east  a b      -     6BAB    2031-01-01T00:00:00Z"
        );
    }
}
