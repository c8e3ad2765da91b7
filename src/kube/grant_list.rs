//! Lists: of AccessGrants, and of a grant's redemptions.

use serde_json::{Value, json};
use tracing::error;

use super::{
    grant_object, grants,
    page::Continue,
    problem::Problem,
    query::{ListOptions, Query},
    reply::Reply,
    types::{ACCESS_GRANTS, SKUPPER},
};
use crate::{
    app::App,
    grant::{Grant, Namespace, Redemption, Revision},
    store::{CorruptGrant, GrantQuery},
};

/// The most items of one answer, also when no limit is given: each carries the CA, some 3 KB in all.
const MOST_ITEMS: u32 = 5_000;
/// The most rows of the ledger in one answer.
const MOST_REDEMPTIONS: u32 = 1_000;

/// Grants by namespace and name, of one namespace or of all.
pub(super) async fn list(app: &App, namespace: Option<Namespace>, options: ListOptions) -> Result<Reply, Problem> {
    let most = options.limit.unwrap_or(MOST_ITEMS).min(MOST_ITEMS);
    let Collected { grants, rest, corrupt, revision } = collect(app, namespace, &options, most).await?;

    let mut warnings: Vec<String> = corrupt.iter().map(corruption).collect();
    if rest.is_some() && options.limit.is_none() {
        warnings.push(format!("the list was cut after {most} items: continue it, or ask with a limit"));
    }
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let Some(rest) = rest {
        metadata["continue"] = rest.to_string().into();
    }
    let items = grants.iter().map(|grant| grant_object::object(app, grant)).collect();
    Ok(Reply::list(&ACCESS_GRANTS, metadata, items).warning(warnings))
}

struct Collected {
    grants: Vec<Grant>,
    /// Where the list goes on, when it does.
    rest: Option<Continue>,
    corrupt: Vec<CorruptGrant>,
    revision: Revision,
}

/// Reads pages of the store until there are `most` selected grants, and one more to know whether the list goes on.
async fn collect(
    app: &App,
    namespace: Option<Namespace>,
    options: &ListOptions,
    most: u32,
) -> Result<Collected, Problem> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut after = options.start.as_ref().map(|start| (start.namespace.clone(), start.name.clone()));
    let mut revision = options.start.as_ref().map(|start| start.revision);
    let (mut grants, mut corrupt) = (Vec::<Grant>::new(), Vec::new());
    loop {
        let missing = u32::try_from(most - grants.len()).unwrap_or(u32::MAX).saturating_add(1);
        // Most grants may not be selected: pages of what is missing would be as many as there are grants.
        let wanted = if options.selector.selects_all() { missing } else { GrantQuery::MAX_PAGE };
        let query = GrantQuery { namespace: namespace.clone(), after, limit: wanted.min(GrantQuery::MAX_PAGE) };
        let page = app.list_grants(query).await.map_err(|error| Problem::from_store(&error))?;
        // A token that was forged, or is older than a restored backup, must not lead a watcher into the future.
        let revision = *revision.insert(revision.map_or(page.revision, |first| first.min(page.revision)));
        corrupt.extend(page.corrupt);
        for grant in page.grants {
            if !options.selector.selects(grant.namespace.as_str(), grant.name.as_str(), &grant.metadata.labels) {
                continue;
            }
            if let Some(last) = grants.last().filter(|_| grants.len() == most) {
                let rest = Continue { revision, namespace: last.namespace.clone(), name: last.name.clone() };
                return Ok(Collected { grants, rest: Some(rest), corrupt, revision });
            }
            grants.push(grant);
        }
        after = page.next;
        if after.is_none() {
            return Ok(Collected { grants, rest: None, corrupt, revision });
        }
    }
}

/// A list that hides what it cannot read would say that all is well; one that fails would hide everything else.
fn corruption(grant: &CorruptGrant) -> String {
    error!(grant.id = %grant.id.escape_debug(), what = grant.what, "a stored grant is corrupt");
    format!("stored grant {} is corrupt and not shown: {}", grant.id.escape_debug(), grant.what)
}

/// The ledger of a grant, oldest first. `continue` is the ordinal of the last row seen.
///
/// By name, so only of a grant that is there: the rows of a removed one do not say which namespace they belong to, and
/// who may read what is decided by namespace.
pub(super) async fn redemptions(app: &App, namespace: &Namespace, name: &str, query: &Query) -> Result<Reply, Problem> {
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
    let grant = grants::find(app, namespace, name).await?;
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
