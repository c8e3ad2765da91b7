//! The redemptions of a grant.

use serde_json::{Value, json};

use super::grants::AccessGrants;
use crate::{
    app::App,
    grant::{Namespace, Redemption, Replay, ReplayKind},
    kube::{catalog::resource_type::SKUPPER, engine::verbs, problem::status::Problem},
};

/// The most rows of the ledger in one answer.
const MOST_REDEMPTIONS: u32 = 1_000;
/// The most replays in one answer; there are few, and what is beyond is left out.
const MOST_REPLAYS: u32 = 1_000;

/// Selects rows of the ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LedgerOptions {
    /// The ordinal of the last row seen; 0 before the first.
    pub(crate) after: u32,
    pub(crate) limit: Option<u32>,
}

/// The ledger of a grant, oldest first. `continue` is the ordinal of the last row seen.
///
/// The grant is found by its name, so it must exist: the rows of a removed grant do not name its namespace, on which the
/// permission to read depends.
pub(crate) async fn redemptions(
    app: &App,
    namespace: &Namespace,
    name: &str,
    options: LedgerOptions,
) -> Result<Value, Problem> {
    let LedgerOptions { after, limit } = options;
    let limit = limit.unwrap_or(MOST_REDEMPTIONS).min(MOST_REDEMPTIONS);
    let (_, grant) = verbs::find(app, AccessGrants, namespace, name).await?;
    let rows = app.redemptions(grant.id, after, limit.saturating_add(1)).await;
    let mut rows = rows.map_err(|error| Problem::from_store(&error))?;

    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut metadata = json!({});
    if rows.len() > limit {
        rows.truncate(limit);
        metadata["continue"] = rows.last().map(|row| row.ordinal.to_string()).into();
    }
    let last = rows.last().map_or(after, |row| row.ordinal);
    let replays = app.replays(grant.id, (after, u32::MAX), MOST_REPLAYS).await;
    let replays = replays.map_err(|error| Problem::from_store(&error))?;
    let replays: Vec<Replay> = replays.into_iter().take_while(|replay| replay.ordinal <= last).collect();
    Ok(json!({
        "kind": "RedemptionList", "apiVersion": SKUPPER.api_version(), "metadata": metadata,
        "items": rows.iter().map(|row| redemption(row, &replays)).collect::<Vec<_>>(),
    }))
}

fn redemption(row: &Redemption, replays: &[Replay]) -> Value {
    let replays = replays.iter().filter(|replay| replay.ordinal == row.ordinal).map(replay).collect::<Vec<_>>();
    let mut redemption = json!({
        "ordinal": row.ordinal,
        "redeemedAt": row.redeemed_at.to_string(),
        "name": row.link_name.as_str(),
        "subject": row.subject.as_str(),
        "peer": row.peer.map(|peer| peer.to_string()),
        "serial": row.certificate.serial.to_string(),
        "keyFingerprint": row.certificate.key_fingerprint.to_string(),
        "notAfter": row.certificate.not_after.to_string(),
    });
    if !replays.is_empty() {
        redemption["replays"] = replays.into();
    }
    redemption
}

fn replay(row: &Replay) -> Value {
    let kind = match row.kind {
        ReplayKind::Replayed => "Replayed",
        ReplayKind::Reissued => "Reissued",
    };
    json!({
        "number": row.number,
        "kind": kind,
        "replayedAt": row.replayed_at.to_string(),
        "peer": row.peer.map(|peer| peer.to_string()),
        "serial": row.certificate.serial.to_string(),
        "keyFingerprint": row.certificate.key_fingerprint.to_string(),
        "notAfter": row.certificate.not_after.to_string(),
    })
}
