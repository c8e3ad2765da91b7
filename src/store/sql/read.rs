//! Reading, on connections of its own: each answer is one statement, so it shows the database at one moment.

mod ledger;
mod objects;
mod replays;

use std::{ops::ControlFlow, str::FromStr, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{
    backend::{Backend, Row},
    recent::Recent,
    row,
    seal::SealingKey,
    statement::{Broken, Columns, Statement, statement},
    statements,
};
use crate::{
    grant::{Grant, GrantId, GrantName, Namespace, Redemption, Revision},
    store::{
        CorruptRow, DatabaseError, GrantCounts, GrantPage, GrantQuery, ObjectKind, PageLimit, StoreError, StoreFailure,
    },
    time::Timestamp,
};

/// How long closing waits for reads under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Metadata and contents can be large, so a page ends early once they take this many bytes of the database or of memory.
const PAGE_BYTES: usize = 1024 * 1024;

/// The connections that read, and the key for what they read.
pub(in crate::store) struct Reader<B> {
    backend: Arc<B>,
    key: Arc<SealingKey>,
    recent: Arc<Recent>,
    /// Held while a page is read, or while what follows it is counted: one at a time, so that there is a connection for
    /// reads of one row, as every redemption does one. Pages take long, and come by the thousand when a list is long.
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
            StoreFailure::Database(DatabaseError::new(error))
        };
        StoreError::Unavailable { action, source }
    }
}

impl<B: Backend> Reader<B> {
    pub(in crate::store) fn new(backend: Arc<B>, key: Arc<SealingKey>, recent: Arc<Recent>) -> Self {
        Self { backend, key, recent, paging: Semaphore::new(PAGES_AT_ONCE) }
    }

    /// Ends all reading, and waits a bounded time for the reads in progress.
    pub(in crate::store) async fn close(&self) {
        self.recent.forget();
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.backend.readers().close()).await;
    }

    /// Runs a statement on one of the connections that read, and hands its rows to `take` until that breaks off.
    async fn scan(
        &self,
        action: &'static str,
        statement: Statement<'_>,
        take: impl FnMut(Row<B>) -> ControlFlow<()> + Send,
    ) -> Result<(), StoreError> {
        self.run(statement, take).await.map_err(failed(action))
    }

    async fn run(
        &self,
        statement: Statement<'_>,
        take: impl FnMut(Row<B>) -> ControlFlow<()> + Send,
    ) -> Result<(), sqlx::Error> {
        let mut connection = self.backend.readers().acquire().await?;
        let result = B::run(&mut connection, statement, take).await;
        if result.as_ref().is_err_and(B::is_lost) {
            // The pool would wait for the rest of an answer that may never come. What broke this connection has often broken
            // those that nobody uses now.
            drop(connection.detach());
            while let Some(idle) = self.backend.readers().try_acquire() {
                drop(idle.detach());
            }
        }
        result
    }

    /// The first row of what a statement finds. When the connection turns out to be lost, it is asked once more on another.
    async fn first(&self, action: &'static str, statement: Statement<'_>) -> Result<Option<Row<B>>, StoreError> {
        let first = match self.first_once(statement.clone()).await {
            Err(error) if B::is_lost(&error) => self.first_once(statement).await,
            first @ (Ok(_) | Err(_)) => first,
        };
        first.map_err(failed(action))
    }

    async fn first_once(&self, statement: Statement<'_>) -> Result<Option<Row<B>>, sqlx::Error> {
        let mut first = None;
        let keep = |row: Row<B>| {
            first = Some(row);
            ControlFlow::Break(())
        };
        self.run(statement, keep).await?;
        Ok(first)
    }

    /// The row of a statement that always has one.
    async fn only(&self, action: &'static str, statement: Statement<'_>) -> Result<Row<B>, StoreError> {
        self.first(action, statement).await?.ok_or_else(|| failed(action)(sqlx::Error::RowNotFound))
    }

    pub(in crate::store) async fn get(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        let age = match self.recent.get(id) {
            Ok(grant) => return Ok(Some(grant)),
            Err(age) => age,
        };
        let uid = id.to_string();
        let row = self.first("read a grant", statement(statements::GET).bind(&uid)).await?;
        let grant = self.grant(row)?;
        if let Some(grant) = &grant {
            self.recent.keep(grant, age);
        }
        Ok(grant)
    }

    /// Reads as [`get`](Self::get) does, and from the database in any case: this grant, or any one. A row that breaks a rule
    /// is no failure.
    pub(in crate::store) async fn check(&self, id: Option<GrantId>) -> Result<(), StoreError> {
        let uid = id.unwrap_or_else(GrantId::random).to_string();
        self.first("read a grant", statement(statements::GET).bind(&uid)).await.map(drop)
    }

    pub(in crate::store) async fn find(
        &self,
        namespace: Namespace,
        name: GrantName,
    ) -> Result<Option<Grant>, StoreError> {
        let find = statement(statements::FIND).bind(namespace.as_str()).bind(name.as_str());
        let row = self.first("find a grant", find).await?;
        self.grant(row)
    }

    fn grant(&self, row: Option<Row<B>>) -> Result<Option<Grant>, StoreError> {
        Ok(row.map(|row| row::grant(&row, &self.key)).transpose()?)
    }

    pub(in crate::store) async fn redemptions(
        &self,
        id: GrantId,
        after: u32,
        limit: u32,
    ) -> Result<Vec<Redemption>, StoreError> {
        let uid = id.to_string();
        let read = statement(statements::REDEMPTIONS).bind(&uid).bind(i64::from(after)).bind(i64::from(limit));
        let mut rows = Vec::new();
        let keep = |row: Row<B>| {
            rows.push(row::redemption(&row));
            ControlFlow::Continue(())
        };
        self.scan("read the ledger", read, keep).await?;
        Ok(rows.into_iter().collect::<Result<_, _>>()?)
    }

    pub(in crate::store) async fn count(&self, now: Timestamp) -> Result<GrantCounts, StoreError> {
        let row = self.only("count grants", statement(statements::COUNT).bind(now.unix_seconds())).await?;
        let read = |column| row.integer(column).map(i64::unsigned_abs).map_err(store_row);
        let exhausted = read("exhausted")?;
        Ok(GrantCounts { open: read("unexpired")?.saturating_sub(exhausted), expired: read("expired")?, exhausted })
    }

    pub(in crate::store) async fn revision(&self) -> Result<Revision, StoreError> {
        let row = self.only("read the revision", statement(statements::REVISION)).await?;
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
            // Labels, annotations and settings take a few times their length at most.
            footprint: |_| 0,
        };
        let Page { read: grants, corrupt, revision, next } = self.page(paging, after).await?;
        Ok(GrantPage { grants, corrupt, revision, next })
    }

    pub(in crate::store) async fn count_listed(&self, query: GrantQuery) -> Result<u32, StoreError> {
        let after = query.after.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        let Some(after) = start(query.namespace.as_ref(), after) else { return Ok(0) };
        let text =
            if query.namespace.is_some() { statements::COUNT_LISTED_NAMESPACE } else { statements::COUNT_LISTED };
        self.counted(statement(text).bind(&after.0).bind(&after.1).bind(i64::from(query.limit.items()))).await
    }

    /// The one number that a query of the rest of a list answers.
    async fn counted(&self, statement: Statement<'_>) -> Result<u32, StoreError> {
        // Waits for the page in progress. The semaphore is never closed.
        let _turn = self.paging.acquire().await;
        let row = self.only("count what a list has", statement).await?;
        let listed = row.integer("listed").map_err(store_row)?;
        // No more than the limit, which is a u32.
        Ok(u32::try_from(listed).unwrap_or(u32::MAX))
    }

    /// Reads one page, and more when that ends with a row that cannot be where the next one starts.
    async fn page<T: Send, N: FromStr + Send>(
        &self,
        paging: Paging<'_, B, T>,
        after: Option<(&str, &str)>,
    ) -> Result<Page<T, N>, StoreError> {
        // The semaphore is never closed.
        let _turn = self.paging.acquire().await;
        let mut page = Page { read: Vec::new(), corrupt: Vec::new(), revision: self.revision().await?, next: None };
        let Some(mut after) = start(paging.namespace, after) else { return Ok(page) };
        // The revision of a page without rows. Read before them, as it must not claim to know of one that came
        // later; the first row that there is brings its own.
        let mut moment = None;
        loop {
            let end = self.read_page(&paging, &after, &mut page, &mut moment).await?;
            page.revision = moment.unwrap_or(page.revision);
            match end {
                PageEnd::Last => return Ok(page),
                PageEnd::After(namespace, name) => match (namespace.parse(), name.parse()) {
                    (Ok(namespace), Ok(name)) => return Ok(Page { next: Some((namespace, name)), ..page }),
                    // The next page cannot start after a name that is not valid, so this page takes more rows.
                    (_, _) => after = (namespace, name),
                },
            }
        }
    }

    /// Reads rows into the page until it is full.
    async fn read_page<T: Send, N: Send>(
        &self,
        paging: &Paging<'_, B, T>,
        after: &(String, String),
        page: &mut Page<T, N>,
        moment: &mut Option<Revision>,
    ) -> Result<PageEnd, StoreError> {
        let limit = paging.limit.of_page();
        let mut read = statement(if paging.namespace.is_some() { paging.of_namespace } else { paging.all });
        if let Some(kind) = paging.kind {
            read = read.bind(kind.as_str());
        }
        let read = read.bind(&after.0).bind(&after.1).bind(i64::from(limit) + 1);
        let (mut taken, mut bytes, mut memory) = (0, 0, 0);
        let mut last = None;
        let mut take = |row: &Row<B>| -> Result<Option<PageEnd>, StoreError> {
            moment.get_or_insert(store_revision(row, "store_revision")?);
            if taken == limit || bytes >= PAGE_BYTES || memory >= PAGE_BYTES {
                let (namespace, name) = last.take().unwrap_or_default();
                return Ok(Some(PageEnd::After(namespace, name)));
            }
            let text = |column| row.text(column).map(str::to_owned);
            let place = text("namespace").and_then(|namespace| Ok((namespace, text("name")?)));
            last = Some(place.map_err(|Broken(what)| StoreError::Corrupt { id: row::uid(row), what })?);
            bytes += row.optional_bytes(paging.sealed).ok().flatten().map_or(0, <[u8]>::len);
            taken += 1;
            match (paging.read)(row, &self.key) {
                Ok(read) => {
                    memory += (paging.footprint)(&read);
                    page.read.push(read);
                }
                Err(corrupt) => page.corrupt.push(corrupt),
            }
            Ok(None)
        };
        let mut end = Ok(PageEnd::Last);
        let until_full = |row: Row<B>| match take(&row) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(full)) => {
                end = Ok(full);
                ControlFlow::Break(())
            }
            Err(error) => {
                end = Err(error);
                ControlFlow::Break(())
            }
        };
        self.scan(paging.action, read, until_full).await?;
        end
    }
}

/// How to read the pages of one kind.
struct Paging<'a, B: Backend, T> {
    action: &'static str,
    /// The statement for all namespaces.
    all: &'static str,
    /// The statement for one namespace.
    of_namespace: &'static str,
    /// The first parameter of both, if they have it.
    kind: Option<ObjectKind>,
    namespace: Option<&'a Namespace>,
    limit: PageLimit,
    /// The column that can be large.
    sealed: &'static str,
    read: fn(&Row<B>, &SealingKey) -> Result<T, CorruptRow>,
    /// How much memory an item takes beside its labels and annotations.
    footprint: fn(&T) -> usize,
}

/// A page of items of one kind.
struct Page<T, N> {
    read: Vec<T>,
    corrupt: Vec<CorruptRow>,
    revision: Revision,
    next: Option<(Namespace, N)>,
}

/// How a page ended.
enum PageEnd {
    /// It is the last page.
    Last,
    /// There is another page after this namespace and name, which are given as they are stored.
    After(String, String),
}

/// The namespace and name that the first page starts after, or `None` when no item can follow.
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

fn store_revision(row: &impl Columns, column: &'static str) -> Result<Revision, StoreError> {
    let stored = row.integer(column).map_err(store_row)?;
    u64::try_from(stored).map(Revision).map_err(|_| store_row(Broken("revision")))
}

/// The error of a row that is not of one grant or object.
fn store_row(Broken(what): Broken) -> StoreError {
    StoreError::Corrupt { id: "(store)".to_owned(), what }
}
