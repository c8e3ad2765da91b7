//! The redemptions of a grant.

use serde_json::{Value, json};

use super::grants::AccessGrants;
use crate::{
    app::App,
    grant::{Namespace, Redemption},
    kube::{
        catalog::resource_type::SKUPPER,
        engine::verbs,
        problem::status::Problem,
        wire::{query::Query, reply::Reply},
    },
};

/// The most rows of the ledger in one answer.
const MOST_REDEMPTIONS: u32 = 1_000;

/// The ledger of a grant, oldest first. `continue` is the ordinal of the last row seen.
///
/// By name, so only of a grant that is there: the rows of a removed one do not say which namespace they belong to, and
/// who may read what is decided by namespace.
pub(crate) async fn redemptions(app: &App, namespace: &Namespace, name: &str, query: &Query) -> Result<Reply, Problem> {
    let limit = query.limit()?.unwrap_or(MOST_REDEMPTIONS).min(MOST_REDEMPTIONS);
    let after = match query.one("continue")? {
        None => 0,
        Some(text) => {
            text.parse().map_err(|_| Problem::BadRequest("continue key is not valid: not an ordinal".to_owned()))?
        }
    };
    for unsupported in ["labelSelector", "fieldSelector", "uid"] {
        if query.one(unsupported)?.is_some() {
            return Err(Problem::BadRequest(format!("{unsupported} is not supported for redemptions")));
        }
    }
    let (_, grant) = verbs::find(app, AccessGrants, namespace, name).await?;
    let rows = app.redemptions(grant.id, after, limit.saturating_add(1)).await;
    let mut rows = rows.map_err(|error| Problem::from_store(&error))?;

    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut metadata = json!({});
    if rows.len() > limit {
        rows.truncate(limit);
        metadata["continue"] = rows.last().map(|row| row.ordinal.to_string()).into();
    }
    Ok(Reply::ok(json!({
        "kind": "RedemptionList", "apiVersion": SKUPPER.api_version(), "metadata": metadata,
        "items": rows.iter().map(redemption).collect::<Vec<_>>(),
    })))
}

fn redemption(row: &Redemption) -> Value {
    json!({
        "ordinal": row.ordinal,
        "redeemedAt": row.redeemed_at.to_string(),
        "name": row.link_name.as_str(),
        "subject": row.subject.as_str(),
        "peer": row.peer.map(|peer| peer.to_string()),
        "serial": row.certificate.serial.to_string(),
        "keyFingerprint": row.certificate.key_fingerprint.to_string(),
        "notAfter": row.certificate.not_after.to_string(),
    })
}
