//! Lists, page by page.

use serde_json::json;
use tracing::error;

use super::{
    kind::{Facts, Kind, Page, PageQuery},
    page::Continue,
    problem::Problem,
    query::ListOptions,
    reply::Reply,
};
use crate::{
    app::App,
    grant::{Namespace, Revision},
    store::{CorruptRow, GrantQuery},
};

/// The most items of one answer, also when no limit is given: each grant carries the CA, some 3 KB in all.
const MOST_ITEMS: u32 = 5_000;

/// Objects by namespace and name, of one namespace or of all.
pub(super) async fn list<K: Kind>(
    app: &App,
    kind: K,
    namespace: Option<Namespace>,
    options: &ListOptions,
) -> Result<Reply, Problem> {
    let most = options.limit.unwrap_or(MOST_ITEMS).min(MOST_ITEMS);
    let Collected { states, rest, corrupt, revision } = collect(app, kind, namespace, options, most).await?;

    let mut warnings: Vec<String> = corrupt.iter().map(corruption).collect();
    if rest.is_some() && options.limit.is_none() {
        warnings.push(format!("the list was cut after {most} items: continue it, or ask with a limit"));
    }
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let Some(rest) = rest {
        metadata["continue"] = rest.to_string().into();
    }
    let items = states.iter().map(|state| kind.object(app, state)).collect();
    Ok(Reply::list(kind.resource(), metadata, items).warning(warnings))
}

struct Collected<S> {
    states: Vec<S>,
    /// Where the list goes on, when it does.
    rest: Option<Continue>,
    corrupt: Vec<CorruptRow>,
    revision: Revision,
}

/// Reads pages of the store until there are `most` selected objects, and one more to know whether the list goes on.
async fn collect<K: Kind>(
    app: &App,
    kind: K,
    namespace: Option<Namespace>,
    options: &ListOptions,
    most: u32,
) -> Result<Collected<K::State>, Problem> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut after = options.start.as_ref().map(Continue::place::<K>).transpose()?;
    let mut revision = options.start.as_ref().map(|start| start.revision);
    let (mut states, mut corrupt) = (Vec::<K::State>::new(), Vec::new());
    loop {
        let missing = u32::try_from(most - states.len()).unwrap_or(u32::MAX).saturating_add(1);
        // Most objects may not be selected: pages of what is missing would be as many as there are objects.
        let wanted = if options.selector.selects_all() { missing } else { GrantQuery::MAX_PAGE };
        let query = PageQuery { namespace: namespace.clone(), after, limit: wanted.min(GrantQuery::MAX_PAGE) };
        let page: Page<K::State, K::Name> = kind.page(app, query).await?;
        // A token that was forged, or is older than a restored backup, must not lead a watcher into the future.
        let revision = *revision.insert(revision.map_or(page.revision, |first| first.min(page.revision)));
        corrupt.extend(page.corrupt);
        for state in page.items {
            let Facts { namespace, name, labels, members, .. } = kind.facts(&state);
            if !options.selector.selects(namespace.as_str(), name, labels, members) {
                continue;
            }
            if let Some(last) = states.last().filter(|_| states.len() == most) {
                let rest = Continue::after(revision, &kind.facts(last));
                return Ok(Collected { states, rest, corrupt, revision });
            }
            states.push(state);
        }
        after = page.next;
        if after.is_none() {
            return Ok(Collected { states, rest: None, corrupt, revision });
        }
    }
}

/// A list that hides what it cannot read would say that all is well; one that fails would hide everything else.
fn corruption(object: &CorruptRow) -> String {
    let (id, what) = (object.id.escape_debug(), object.what);
    error!(object.id = %id, what, "a stored object is corrupt");
    format!("stored object {id} is corrupt and not shown: {what}")
}
