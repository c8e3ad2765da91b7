//! `grantd grant show`.

use serde_json::Value;

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

pub(crate) async fn run(args: &ShowArgs, server: &Server, console: &mut Console<'_>) -> Result<(), CliError> {
    let namespace: Namespace = args.namespace.parse()?;
    let name: GrantName = grant_name(&args.name)?;
    let object = server.grant(&namespace, &name).await?;
    if let Some(format) = args.output {
        return Ok(console.document(&object, format)?);
    }
    let ledger = server.redemptions(&namespace, &name).await?;
    for (key, value) in lines(&object, args.show_code)? {
        console.line(format_args!("{:<22}{}", format!("{key}:"), printable(&value)))?;
    }
    console.line("")?;
    if ledger.is_empty() {
        console.line("No redemptions")?;
    } else {
        console.line(table(&ledger))?;
    }
    if ledger.iter().any(|row| !row.replays.is_empty()) {
        console.line("\nAnswered again, and not counted:\n")?;
        console.line(replays(&ledger))?;
    }
    Ok(())
}

fn lines(object: &Value, show_code: bool) -> Result<Vec<(String, String)>, CliError> {
    let Grant { metadata, status } = resource::read(object)?;
    let ready = if is_ready(&status.conditions) { "yes" } else { "no" };
    let code = match (show_code, status.code.is_empty()) {
        (true, _) => status.code,
        (false, false) => "hidden; --show-code shows it".to_owned(),
        (false, true) => String::new(),
    };
    let line = |(label, value): (&str, String)| (label.to_owned(), value);
    let identity = [
        ("Name", metadata.name),
        ("Namespace", metadata.namespace),
        ("Uid", metadata.uid),
        ("Created", metadata.creation_timestamp),
        ("Expires", status.expiration_time),
    ];
    let state = [
        ("Redemptions made", status.redemptions.to_string()),
        ("Url", status.url),
        ("Code", code),
        ("Status", status.status),
        ("Message", status.message),
        ("Ready", ready.to_owned()),
    ];
    let mut lines: Vec<_> =
        identity.map(line).into_iter().chain(spec_lines(&object["spec"])).chain(state.map(line)).collect();
    lines.retain(|(_, value)| !value.is_empty());
    Ok(lines)
}

/// Every field of the spec, also fields that this program does not know, except the code, which is secret and is in the
/// status too.
fn spec_lines(spec: &Value) -> Vec<(String, String)> {
    let shown = spec.as_object().into_iter().flatten().filter(|(field, _)| *field != "code");
    shown.map(|(field, value)| (label(field), text(value))).collect()
}

/// The name of a field as a heading: `redemptionsAllowed` becomes `Redemptions allowed`.
fn label(field: &str) -> String {
    let mut label = String::with_capacity(field.len() + 4);
    for (index, letter) in field.chars().enumerate() {
        match (index, letter.is_uppercase()) {
            (0, _) => label.extend(letter.to_uppercase()),
            (_, true) => {
                label.push(' ');
                label.extend(letter.to_lowercase());
            }
            (_, false) => label.push(letter),
        }
    }
    label
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            members.iter().map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    }
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

/// The redemptions that were answered again: `#` is the number of the redemption.
fn replays(ledger: &[Redemption]) -> Table {
    let mut table = Table::new(&["#", "WHEN", "HOW", "PEER", "SERIAL"]);
    for row in ledger {
        for replay in &row.replays {
            table.row(vec![
                row.ordinal.to_string(),
                replay.replayed_at.clone(),
                replay.kind.clone(),
                replay.peer.clone().unwrap_or_default(),
                replay.serial.clone(),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Value {
        serde_json::json!({
            "metadata": {"name": "offer", "namespace": "west"},
            "spec": {"code": "canary", "redemptionsAllowed": 3, "issuer": null, "settings": {"a": "b", "c": "d"}, "new": true},
            "status": {"code": "canary", "status": "Ready"},
        })
    }

    #[test]
    fn every_field_of_the_spec_is_shown() {
        let lines = lines(&grant(), false).unwrap();
        let shown = |label: &str| lines.iter().find(|(found, _)| found == label).map(|(_, value)| value.as_str());
        assert_eq!(shown("Redemptions allowed"), Some("3"));
        assert_eq!((shown("New"), shown("Settings"), shown("Issuer")), (Some("true"), Some("a=b, c=d"), None));
    }

    #[test]
    fn the_code_is_shown_on_request_only() {
        let shown = |show_code| format!("{:?}", lines(&grant(), show_code).unwrap());
        assert!(!shown(false).contains("canary") && shown(false).contains("--show-code"));
        assert!(shown(true).contains("canary"));
    }

    #[test]
    fn each_replay_is_shown_with_the_number_of_its_redemption() {
        let row = serde_json::json!({"ordinal": 2, "redeemedAt": "2026-01-02T03:04:05Z", "replays": [
            {"number": 1, "kind": "Replayed", "replayedAt": "2026-01-02T03:05:05Z", "peer": "10.0.0.1", "serial": "6BAB"},
        ]});
        let text = replays(&[resource::read(&row).unwrap()]).to_string();
        assert_eq!(
            text,
            "#  WHEN                  HOW       PEER      SERIAL\n\
             2  2026-01-02T03:05:05Z  Replayed  10.0.0.1  6BAB"
        );
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
