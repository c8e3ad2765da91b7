//! The ledger: the redemptions of one grant, or of all.

use serde_json::{Value, json};

use super::grants::AccessGrants;
use crate::{
    app::App,
    grant::{GrantId, Namespace, Redemption, Replay, ReplayKind},
    kube::{catalog::resource_type::SKUPPER, engine::verbs, problem::status::Problem},
    store::{self, LedgerEntry, LedgerQuery, PageLimit},
};

/// The most rows of the ledger in one answer.
const MOST_REDEMPTIONS: u32 = 1_000;
/// The most replays of a grant in one answer, which ends before the redemption that has more. A redemption alone has fewer.
const MOST_REPLAYS: u32 = 1_000;
const _: () = assert!(store::MOST_REPLAYS < MOST_REPLAYS);
/// With this many redemptions and replays together an answer ends.
const MOST_ITEMS: usize = 1_000;

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
    let replays = replays_of(app, grant.id, (rows.first(), rows.last())).await?;
    if replays.end(&mut rows, |row| row.ordinal) {
        metadata["continue"] = rows.last().map(|row| row.ordinal.to_string()).into();
    }
    Ok(json!({
        "kind": "RedemptionList", "apiVersion": SKUPPER.api_version(), "metadata": metadata,
        "items": rows.iter().map(|row| redemption(row, &replays.found)).collect::<Vec<_>>(),
    }))
}

/// Selects a page of the ledger of all grants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LedgerPageOptions {
    /// The grant and the ordinal of the last row looked at.
    pub(crate) after: Option<(GrantId, u32)>,
    pub(crate) limit: Option<u32>,
}

/// Where a page starts: `UID:ORDINAL` of the last row that was looked at.
pub(crate) fn read_continue(text: &str) -> Option<(GrantId, u32)> {
    let (grant, ordinal) = text.split_once(':')?;
    Some((grant.parse().ok()?, ordinal.parse().ok()?))
}

/// A page of the ledger of all grants of a namespace, or of all namespaces; of deleted grants too. A page may be empty and
/// have a `continue` all the same.
pub(crate) async fn page(
    app: &App,
    namespace: Option<Namespace>,
    options: LedgerPageOptions,
) -> Result<Value, Problem> {
    let limit = PageLimit::at_most(options.limit.unwrap_or(MOST_REDEMPTIONS).min(MOST_REDEMPTIONS));
    let page = app.ledger(LedgerQuery { namespace, after: options.after, limit }).await;
    let page = page.map_err(|error| Problem::from_store(&error))?;
    let (mut items, mut next) = (Vec::with_capacity(page.entries.len()), page.next);
    let mut last: Option<(GrantId, u32)> = None;
    for rows in page.entries.chunk_by(|one, other| one.redemption.grant_id == other.redemption.grant_id) {
        if items.len() >= MOST_ITEMS {
            next = last;
            break;
        }
        let mut rows: Vec<&LedgerEntry> = rows.iter().collect();
        let (Some(first), Some(end)) = (rows.first(), rows.last()) else { continue };
        let grant = first.redemption.grant_id;
        let replays = replays_of(app, grant, (Some(&first.redemption), Some(&end.redemption))).await?;
        let is_cut = replays.end(&mut rows, |row| row.redemption.ordinal);
        for row in &rows {
            let shown = entry(row);
            let of_row = replays.found.iter().filter(|replay| replay.ordinal == row.redemption.ordinal);
            let repetitions: Vec<Value> = of_row.map(|replay| repeated(&shown, replay)).collect();
            items.push(shown);
            items.extend(repetitions);
        }
        last = rows.last().map(|row| (grant, row.redemption.ordinal)).or(last);
        if is_cut {
            next = last;
            break;
        }
    }
    let mut metadata = json!({});
    if let Some((grant, ordinal)) = next {
        metadata["continue"] = format!("{grant}:{ordinal}").into();
    }
    if !page.corrupt.is_empty() {
        metadata["unreadable"] = page.corrupt.len().into();
    }
    Ok(json!({
        "kind": "RedemptionList", "apiVersion": SKUPPER.api_version(), "metadata": metadata, "items": items,
    }))
}

fn entry(entry: &LedgerEntry) -> Value {
    let mut row = redemption(&entry.redemption, &[]);
    row["type"] = "redemption".into();
    row["namespace"] = entry.namespace.as_str().into();
    row["grant"] = entry.grant.as_str().into();
    row["grantUid"] = entry.redemption.grant_id.to_string().into();
    row
}

/// A certificate that was sent again, or another one for the same redemption, as a row of its own.
fn repeated(entry: &Value, repetition: &Replay) -> Value {
    let mut row = entry.clone();
    let shown = replay(repetition);
    row["type"] = match repetition.kind {
        ReplayKind::Replayed => "replay",
        ReplayKind::Reissued => "reissue",
    }
    .into();
    row["redeemedAt"] = shown["replayedAt"].clone();
    for field in ["peer", "serial", "keyFingerprint", "notAfter"] {
        row[field] = shown[field].clone();
    }
    row
}

/// Replays of redemptions that follow each other.
struct FoundReplays {
    found: Vec<Replay>,
    /// The ordinal of the redemption up to which they are complete.
    up_to: u32,
}

impl FoundReplays {
    /// Leaves the rows out for which they are not complete. Gives whether there are any.
    fn end<T>(&self, rows: &mut Vec<T>, ordinal: impl Fn(&T) -> u32) -> bool {
        let before = rows.len();
        rows.retain(|row| ordinal(row) <= self.up_to);
        rows.len() < before
    }
}

/// The replays of a grant's redemptions from the first one to the last one.
async fn replays_of(
    app: &App,
    grant: GrantId,
    (first, last): (Option<&Redemption>, Option<&Redemption>),
) -> Result<FoundReplays, Problem> {
    let (Some(first), Some(last)) = (first, last) else { return Ok(FoundReplays { found: Vec::new(), up_to: 0 }) };
    let found = app.replays(grant, (first.ordinal.saturating_sub(1), u32::MAX), MOST_REPLAYS).await;
    let mut found = found.map_err(|error| Problem::from_store(&error))?;
    let up_to = match found.last() {
        Some(replay) if found.len() >= MOST_REPLAYS as usize => last.ordinal.min(replay.ordinal.saturating_sub(1)),
        Some(_) | None => last.ordinal,
    };
    found.retain(|replay| replay.ordinal <= up_to);
    Ok(FoundReplays { found, up_to })
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
