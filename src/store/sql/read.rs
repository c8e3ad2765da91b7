//! Reading, past the writer: each answer is one statement, so it is of one moment.

mod objects;

use std::{future::poll_fn, str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Row as _, Sqlite,
    query::Query,
    sqlite::{SqliteArguments, SqlitePool as Pool, SqliteRow as Row},
};
use tokio::sync::Semaphore;

use super::{recent::Recent, row, seal::SealingKey, statements};
use crate::{
    grant::{Grant, GrantId, GrantName, Namespace, Redemption, Revision},
    store::{CorruptRow, GrantCounts, GrantPage, GrantQuery, ObjectKind, StoreError, StoreFailure},
    time::Timestamp,
};

/// How long closing waits for reads that nobody finishes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Metadata and contents can be large, so a page ends early once it holds this many bytes of them.
const PAGE_BYTES: usize = 1024 * 1024;

/// The connections that read, and the key for what they read.
pub(in crate::store) struct Reader {
    pool: Pool,
    key: Arc<SealingKey>,
    recent: Arc<Recent>,
    /// For whoever reads a page, or counts what follows it: one at a time, so that there is a connection for those who
    /// read one row, as every redemption does. Pages take long, and come by the thousand when a list is long.
    paging: Semaphore,
}

/// How many pages are read at once.
const PAGES_AT_ONCE: usize = 1;

/// What was being done, and that the database did not answer.
fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| {
        let source = if matches!(error, sqlx::Error::PoolClosed) {
            StoreFailure::Closed
        } else {
            StoreFailure::Database(Arc::new(error))
        };
        StoreError::Unavailable { action, source }
    }
}

impl Reader {
    pub(in crate::store) fn new(pool: Pool, key: Arc<SealingKey>, recent: Arc<Recent>) -> Self {
        Self { pool, key, recent, paging: Semaphore::new(PAGES_AT_ONCE) }
    }

    /// Ends all reading. Reads that are under way are waited for, but not for ever.
    pub(in crate::store) async fn close(&self) {
        self.recent.forget();
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close()).await;
    }

    pub(in crate::store) async fn get(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        let age = match self.recent.get(id) {
            Ok(grant) => return Ok(Some(grant)),
            Err(age) => age,
        };
        let query = sqlx::query(statements::GET).bind(id.to_string());
        let row = query.fetch_optional(&self.pool).await.map_err(failed("read a grant"))?;
        let grant = self.grant(row)?;
        if let Some(grant) = &grant {
            self.recent.keep(grant, age);
        }
        Ok(grant)
    }

    pub(in crate::store) async fn find(
        &self,
        namespace: Namespace,
        name: GrantName,
    ) -> Result<Option<Grant>, StoreError> {
        let query = sqlx::query(statements::FIND).bind(namespace.as_str()).bind(name.as_str());
        let row = query.fetch_optional(&self.pool).await.map_err(failed("find a grant"))?;
        self.grant(row)
    }

    fn grant(&self, row: Option<Row>) -> Result<Option<Grant>, StoreError> {
        Ok(row.map(|row| row::grant(&row, &self.key)).transpose()?)
    }

    pub(in crate::store) async fn redemptions(
        &self,
        id: GrantId,
        after: u32,
        limit: u32,
    ) -> Result<Vec<Redemption>, StoreError> {
        let query =
            sqlx::query(statements::REDEMPTIONS).bind(id.to_string()).bind(i64::from(after)).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool).await.map_err(failed("read the ledger"))?;
        Ok(rows.iter().map(row::redemption).collect::<Result<_, _>>()?)
    }

    pub(in crate::store) async fn count(&self, now: Timestamp) -> Result<GrantCounts, StoreError> {
        let failed = failed("count grants");
        let query = sqlx::query(statements::COUNT).bind(now.unix_seconds());
        let row = query.fetch_one(&self.pool).await.map_err(&failed)?;
        let read = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs).map_err(&failed);
        let exhausted = read("exhausted")?;
        Ok(GrantCounts { open: read("unexpired")?.saturating_sub(exhausted), expired: read("expired")?, exhausted })
    }

    pub(in crate::store) async fn revision(&self) -> Result<Revision, StoreError> {
        let failed = failed("read the revision");
        let row = sqlx::query(statements::REVISION).fetch_one(&self.pool).await.map_err(&failed)?;
        store_revision(&row, "revision")
    }

    pub(in crate::store) async fn list(&self, query: GrantQuery) -> Result<GrantPage, StoreError> {
        let after = query.after.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        let paging = Paging {
            action: "list grants",
            all: statements::LIST,
            of_namespace: statements::LIST_NAMESPACE,
            kind: None,
            namespace: query.namespace.as_ref(),
            limit: query.limit,
            sealed: "sealed_metadata",
            read: row::grant,
        };
        let Page { read: grants, corrupt, revision, next } = self.page(paging, after).await?;
        Ok(GrantPage { grants, corrupt, revision, next })
    }

    pub(in crate::store) async fn count_listed(&self, query: GrantQuery) -> Result<u32, StoreError> {
        let after = query.after.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        let Some(after) = start(query.namespace.as_ref(), after) else { return Ok(0) };
        let statement =
            if query.namespace.is_some() { statements::COUNT_LISTED_NAMESPACE } else { statements::COUNT_LISTED };
        self.counted(sqlx::query(statement).bind(after.0).bind(after.1).bind(i64::from(query.limit))).await
    }

    /// The one number that a query of the rest of a list answers.
    async fn counted(&self, query: Query<'_, Sqlite, SqliteArguments>) -> Result<u32, StoreError> {
        let failed = failed("count what a list has");
        // As long as a page may take; never closed.
        let _turn = self.paging.acquire().await;
        let row = query.fetch_one(&self.pool).await.map_err(&failed)?;
        let listed: i64 = row.try_get("listed").map_err(&failed)?;
        // No more than the limit, which is a u32.
        Ok(u32::try_from(listed).unwrap_or(u32::MAX))
    }

    /// Reads one page, and more when that ends with a row that cannot be where the next one starts.
    async fn page<T, N: FromStr>(
        &self,
        paging: Paging<'_, T>,
        after: Option<(&str, &str)>,
    ) -> Result<Page<T, N>, StoreError> {
        // Never closed.
        let _turn = self.paging.acquire().await;
        let mut page = Page { read: Vec::new(), corrupt: Vec::new(), revision: self.revision().await?, next: None };
        let Some(mut after) = start(paging.namespace, after) else { return Ok(page) };
        // That revision stands for a page without rows. Read before them, as it must not claim to know of one that came
        // later; the first row that there is brings its own.
        let mut moment = None;
        loop {
            let end = self.read_page(&paging, &after, &mut page, &mut moment).await?;
            page.revision = moment.unwrap_or(page.revision);
            match end {
                PageEnd::Last => return Ok(page),
                PageEnd::After(namespace, name) => match (namespace.parse(), name.parse()) {
                    (Ok(namespace), Ok(name)) => return Ok(Page { next: Some((namespace, name)), ..page }),
                    // A corrupt name cannot be where the next page starts; so this one goes on.
                    (_, _) => after = (namespace, name),
                },
            }
        }
    }

    /// Reads rows into the page until it is full.
    async fn read_page<T, N>(
        &self,
        paging: &Paging<'_, T>,
        after: &(String, String),
        page: &mut Page<T, N>,
        moment: &mut Option<Revision>,
    ) -> Result<PageEnd, StoreError> {
        let failed = failed(paging.action);
        let limit = match paging.limit {
            0 => GrantQuery::MAX_PAGE,
            limit => limit.min(GrantQuery::MAX_PAGE),
        };
        let mut statement = sqlx::query(if paging.namespace.is_some() { paging.of_namespace } else { paging.all });
        if let Some(kind) = paging.kind {
            statement = statement.bind(kind.as_str());
        }
        let mut rows = statement.bind(&after.0).bind(&after.1).bind(i64::from(limit) + 1).fetch(&self.pool);
        let (mut taken, mut bytes) = (0, 0);
        let mut last = None;
        while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
            let row = row.map_err(&failed)?;
            moment.get_or_insert(store_revision(&row, "store_revision")?);
            if taken == limit || bytes >= PAGE_BYTES {
                let (namespace, name) = last.unwrap_or_default();
                return Ok(PageEnd::After(namespace, name));
            }
            let text = |column| row.try_get::<String, _>(column).map_err(&failed);
            last = Some((text("namespace")?, text("name")?));
            bytes += row.try_get::<Option<&[u8]>, _>(paging.sealed).ok().flatten().map_or(0, <[u8]>::len);
            taken += 1;
            match (paging.read)(&row, &self.key) {
                Ok(read) => page.read.push(read),
                Err(corrupt) => page.corrupt.push(corrupt),
            }
        }
        Ok(PageEnd::Last)
    }
}

/// What to read pages of, and how.
struct Paging<'a, T> {
    action: &'static str,
    /// The statement for all namespaces.
    all: &'static str,
    /// The statement for one.
    of_namespace: &'static str,
    /// The first parameter of both, if they have it.
    kind: Option<ObjectKind>,
    namespace: Option<&'a Namespace>,
    limit: u32,
    /// The column that can be large.
    sealed: &'static str,
    read: fn(&Row, &SealingKey) -> Result<T, CorruptRow>,
}

/// A page of anything, while it is read and after.
struct Page<T, N> {
    read: Vec<T>,
    corrupt: Vec<CorruptRow>,
    revision: Revision,
    next: Option<(Namespace, N)>,
}

/// How a page ended.
enum PageEnd {
    /// There is nothing after it.
    Last,
    /// There is more after this namespace and name, as they stand in the row.
    After(String, String),
}

/// What the first page starts after, or `None` when nothing can come after it.
fn start(namespace: Option<&Namespace>, after: Option<(&str, &str)>) -> Option<(String, String)> {
    let (namespace, name) = match (namespace.map(Namespace::as_str), after) {
        (None, None) => ("", ""),
        (None, Some(after)) => after,
        (Some(namespace), Some((after, name))) if after == namespace => (namespace, name),
        (Some(namespace), Some((after, _))) if after > namespace => return None,
        (Some(namespace), Some(_) | None) => (namespace, ""),
    };
    Some((namespace.to_owned(), name.to_owned()))
}

fn store_revision(row: &Row, column: &'static str) -> Result<Revision, StoreError> {
    let stored: i64 = row.try_get(column).map_err(failed("read the revision"))?;
    u64::try_from(stored).map(Revision).map_err(|_| StoreError::Corrupt { id: "(store)".to_owned(), what: "revision" })
}
