//! Lists, page by page.

use serde_json::{Value, json};
use tracing::error;

use super::{
    kind::{Kind, Page, PageQuery},
    object_meta::ObjectMeta,
    options::ListOptions,
    outcome::{Content, Outcome},
    page::Continue,
};
use crate::{
    app::{App, MemoryPermit, MemoryShare, NoMemory},
    grant::{Namespace, Revision},
    kube::{
        catalog::{resource_type::ResourceType, table::TableForm},
        problem::status::Problem,
    },
    store::{CorruptRow, PageLimit},
    time::Timestamp,
};

/// The most items of one answer, whatever `limit` the client asks for.
const MOST_ITEMS: u32 = 5_000;
/// The most objects that are counted for `remainingItemCount`; if more remain, the answer gives no count.
const MOST_COUNTED: u32 = 10_000;
/// The length at which an answer ends, in bytes, whatever its limit; its `continue` token gets the rest.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Answers of at most this many bytes are not counted: the limits of connections and streams bound their number.
pub(crate) const UNCOUNTED: usize = 16 * 1024;

/// How a list is answered.
#[derive(Debug)]
pub(crate) struct ListForm {
    pub(crate) table: Option<TableForm>,
    pub(crate) memory: MemoryShare,
}

/// A list of objects of one namespace or of all, ordered by namespace and name.
///
/// # Errors
/// 429 when the answers of all callers take too much memory, 503 when the store does not answer.
pub(crate) async fn list<K: Kind>(
    app: &App,
    kind: K,
    namespace: Option<Namespace>,
    options: &ListOptions,
    form: &ListForm,
) -> Result<Outcome, Problem> {
    let most = options.limit.unwrap_or(MOST_ITEMS).min(MOST_ITEMS);
    let mut items = Items::new(kind.resource(), form, app.clock().now());
    let scope = namespace.clone();
    let Collected { rest, corrupt, revision } = collect(app, kind, namespace, options, most, &mut items).await?;

    let mut warnings: Vec<String> = corrupt.iter().map(corruption).collect();
    if rest.is_some() && options.limit.is_none() {
        warnings.push(format!("the list was cut after {} items: continue it, or ask with a limit", items.count));
    }
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let Some(rest) = rest {
        metadata["continue"] = rest.to_string().into();
        // With a selector the number of objects is unknown without reading all of them. Kubernetes leaves it out then too.
        if options.selector.selects_all() {
            let after = Some(rest.position(kind.resource(), scope.as_ref())?);
            let count = kind.count(app, PageQuery { namespace: scope, after, limit: MOST_COUNTED + 1 }).await?;
            if count <= MOST_COUNTED {
                metadata["remainingItemCount"] = count.into();
            }
        }
    }
    Ok(items.outcome(&metadata).warning(warnings))
}

/// The items of an answer, converted to text one by one: all of them as JSON values would take several times the memory.
struct Items {
    resource: &'static ResourceType,
    table: Option<TableForm>,
    now: Timestamp,
    text: String,
    count: u32,
    permit: MemoryPermit,
}

impl Items {
    fn new(resource: &'static ResourceType, form: &ListForm, now: Timestamp) -> Self {
        let ListForm { table, memory } = form;
        let text = match table {
            Some(table) => table.beginning(resource),
            None => {
                let (version, kind) = (resource.group_version.api_version(), resource.kind);
                format!(r#"{{"kind":"{kind}List","apiVersion":"{version}","items":["#)
            }
        };
        Self { resource, table: *table, now, text, count: 0, permit: memory.empty_permit() }
    }

    fn push(&mut self, object: Value) -> Result<(), Problem> {
        let item = match self.table {
            Some(table) => table.row(self.resource, object, self.now),
            None => object,
        };
        let item = item.to_string();
        let needed = item.len() + 1;
        if self.text.capacity() - self.text.len() < needed {
            // By a quarter at least, so that a long text is not moved for each item.
            let more = needed.max(self.text.len() / 4);
            if self.text.len() + more > UNCOUNTED {
                self.permit.grow_to(self.text.len() + more).map_err(|NoMemory| Problem::Overloaded)?;
            }
            self.text.reserve_exact(more);
        }
        if self.count > 0 {
            self.text.push(',');
        }
        self.text.push_str(&item);
        self.count += 1;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.text.len() >= MOST_BYTES
    }

    fn outcome(mut self, metadata: &Value) -> Outcome {
        self.text.push_str(&format!(r#"],"metadata":{metadata}}}"#));
        Outcome::new(Content::List(self.text.into(), self.permit))
    }
}

struct Collected {
    /// Where the list continues; `None` at its end.
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
    items: &mut Items,
) -> Result<Collected, Problem> {
    let mut after =
        options.start.as_ref().map(|start| start.position(kind.resource(), namespace.as_ref())).transpose()?;
    let mut revision = options.start.as_ref().map(|start| start.revision);
    let (mut last, mut corrupt) = (None::<K::State>, Vec::new());
    loop {
        let missing = (most - items.count).saturating_add(1);
        let full = PageLimit::FULL.items();
        // Full pages, as most objects may not be selected: pages of the missing number could be one for each object.
        let wanted = if options.selector.selects_all() { missing } else { full };
        let query = PageQuery { namespace: namespace.clone(), after, limit: wanted.min(full) };
        // Held until the page is text: the objects of a page take several times as much memory.
        let _turn = app.requests().turn().await;
        let page: Page<K::State, K::Name> = kind.page(app, query).await?;
        // A token that was forged, or is older than a restored backup, must not lead a watcher into the future.
        let revision = *revision.insert(revision.map_or(page.revision, |first| first.min(page.revision)));
        corrupt.extend(page.corrupt);
        for state in page.items {
            let meta = kind.meta(&state);
            if !options.selector.selects(meta.namespace.as_str(), meta.name, meta.labels, meta.members) {
                continue;
            }
            if let Some(last) = last.as_ref().filter(|_| items.count == most || items.is_full()) {
                let rest = continue_after(kind, namespace, revision, last);
                return Ok(Collected { rest, corrupt, revision });
            }
            items.push(kind.object(app, &state))?;
            last = Some(state);
        }
        after = page.next;
        if after.is_none() {
            return Ok(Collected { rest: None, corrupt, revision });
        }
    }
}

/// The token of a list of `scope` that continues after this object; `None` when its name is not valid for any object.
fn continue_after<K: Kind>(kind: K, scope: Option<Namespace>, revision: Revision, last: &K::State) -> Option<Continue> {
    let ObjectMeta { namespace, name, .. } = kind.meta(last);
    let plural = kind.resource().plural.to_owned();
    Some(Continue { revision, plural, scope, namespace: namespace.clone(), name: name.parse().ok()? })
}

/// The warning about a corrupt object. A list that left it out without a warning would look complete, and a list that
/// failed would hide all other objects.
fn corruption(object: &CorruptRow) -> String {
    let (id, what) = (object.id.escape_debug(), object.what);
    error!(object.id = %id, what, "a stored object is corrupt");
    format!("stored object {id} is corrupt and not shown: {what}")
}
