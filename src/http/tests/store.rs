//! The real store, with a place at which to hold it up or break it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use tokio::sync::Semaphore;

use crate::{
    grant::{
        Claim, Grant, GrantId, GrantName, KeyFingerprint, Namespace, PendingRedemption, Redemption, Replay, Revision,
    },
    store::{
        Changes, Claimed, CommitError, CreateError, Deleted, GrantChange, GrantCounts, GrantPage, GrantQuery,
        GrantStore, LedgerPage, LedgerQuery, NewGrant, ObjectKey, ObjectPage, ObjectQuery, ObjectStore, ObjectWrite,
        QuotaExceeded, Recorded, ReplayError, Rollback, Store, StoreError, StoreFailure, StoreFuture, StoredObject,
        UpdateError, Wanted, WriteObjectsError,
    },
    time::Timestamp,
};

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub(super) enum Flaw {
    #[default]
    None,
    CorruptRow,
    ReadPanics,
    ReadUnavailable,
    CommitUnavailable,
    DeletedBeforeCommit,
    /// The database is an older one.
    RolledBack,
    /// Commits wait for a permit.
    CommitWaits(Arc<Semaphore>),
}

pub(super) struct FlawedStore {
    inner: Arc<dyn Store>,
    flaw: Mutex<Flaw>,
    pub(super) commits: AtomicU32,
    pub(super) checks: AtomicU32,
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { action: "be of use", source: StoreFailure::Overloaded }
}

impl FlawedStore {
    pub(super) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, flaw: Mutex::default(), commits: AtomicU32::new(0), checks: AtomicU32::new(0) }
    }

    pub(super) fn set(&self, flaw: Flaw) {
        *self.flaw.lock().unwrap() = flaw;
    }

    fn flaw(&self) -> Flaw {
        self.flaw.lock().unwrap().clone()
    }
}

impl GrantStore for FlawedStore {
    fn create(&self, grant: NewGrant) -> StoreFuture<'_, Grant, CreateError> {
        self.inner.create(grant)
    }

    fn get(&self, id: GrantId) -> StoreFuture<'_, Option<Grant>> {
        match self.flaw() {
            Flaw::CorruptRow => {
                Box::pin(async move { Err(StoreError::Corrupt { id: id.to_string(), what: "expires_at is no time" }) })
            }
            Flaw::ReadPanics => Box::pin(async { panic!("the test wants this panic") }),
            Flaw::ReadUnavailable => Box::pin(async { Err(unavailable()) }),
            Flaw::None
            | Flaw::CommitUnavailable
            | Flaw::DeletedBeforeCommit
            | Flaw::RolledBack
            | Flaw::CommitWaits(_) => self.inner.get(id),
        }
    }

    fn commit_redemption(&self, redemption: PendingRedemption) -> StoreFuture<'_, Recorded, CommitError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        match self.flaw() {
            Flaw::CommitUnavailable => Box::pin(async { Err(CommitError::Store(unavailable())) }),
            Flaw::DeletedBeforeCommit => Box::pin(async { Err(CommitError::Gone) }),
            Flaw::CommitWaits(gate) => Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                self.inner.commit_redemption(redemption).await
            }),
            Flaw::None | Flaw::CorruptRow | Flaw::ReadPanics | Flaw::RolledBack | Flaw::ReadUnavailable => {
                self.inner.commit_redemption(redemption)
            }
        }
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        match self.flaw() {
            Flaw::ReadUnavailable | Flaw::CommitUnavailable => Box::pin(async { Err(unavailable()) }),
            Flaw::None
            | Flaw::CorruptRow
            | Flaw::ReadPanics
            | Flaw::DeletedBeforeCommit
            | Flaw::RolledBack
            | Flaw::CommitWaits(_) => self.inner.check(),
        }
    }

    fn claim(&self, claim: Claim, key: KeyFingerprint) -> StoreFuture<'_, Claimed, ReplayError> {
        self.inner.claim(claim, key)
    }

    fn repeatable(&self, claim: &Claim, since: Timestamp) -> StoreFuture<'_, Option<u32>> {
        self.inner.repeatable(claim, since)
    }

    fn replays(&self, id: GrantId, after: (u32, u32), limit: u32) -> StoreFuture<'_, Vec<Replay>> {
        self.inner.replays(id, after, limit)
    }

    fn find(&self, namespace: Namespace, name: GrantName) -> StoreFuture<'_, Option<Grant>> {
        self.inner.find(namespace, name)
    }

    fn list(&self, query: GrantQuery) -> StoreFuture<'_, GrantPage> {
        self.inner.list(query)
    }

    fn count_listed(&self, query: GrantQuery) -> StoreFuture<'_, u32> {
        self.inner.count_listed(query)
    }

    fn update(&self, id: GrantId, expected: Revision, change: GrantChange) -> StoreFuture<'_, Grant, UpdateError> {
        self.inner.update(id, expected, change)
    }

    fn delete(
        &self,
        namespace: Namespace,
        name: GrantName,
        expected: Option<Revision>,
    ) -> StoreFuture<'_, Option<Deleted>, UpdateError> {
        self.inner.delete(namespace, name, expected)
    }

    fn redemptions(&self, id: GrantId, after: u32, limit: u32) -> StoreFuture<'_, Vec<Redemption>> {
        self.inner.redemptions(id, after, limit)
    }

    fn ledger(&self, query: LedgerQuery) -> StoreFuture<'_, LedgerPage> {
        self.inner.ledger(query)
    }

    fn count(&self, now: Timestamp) -> StoreFuture<'_, GrantCounts> {
        self.inner.count(now)
    }

    fn sweep(&self, cutoff: Timestamp, limit: u32) -> StoreFuture<'_, u32> {
        self.inner.sweep(cutoff, limit)
    }

    fn revision(&self) -> StoreFuture<'_, Revision> {
        self.inner.revision()
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.inner.close()
    }
}

impl ObjectStore for FlawedStore {
    fn object(&self, key: ObjectKey) -> StoreFuture<'_, Option<StoredObject>> {
        self.inner.object(key)
    }

    fn objects(&self, query: ObjectQuery) -> StoreFuture<'_, ObjectPage> {
        self.inner.objects(query)
    }

    fn count_objects(&self, query: ObjectQuery) -> StoreFuture<'_, u32> {
        self.inner.count_objects(query)
    }

    fn write_objects(&self, writes: Vec<ObjectWrite>) -> StoreFuture<'_, Vec<StoredObject>, WriteObjectsError> {
        self.inner.write_objects(writes)
    }
}

impl Store for FlawedStore {
    fn changes(&self) -> &Arc<Changes> {
        self.inner.changes()
    }

    fn advance(&self) -> StoreFuture<'_, Revision> {
        self.inner.advance()
    }

    fn rollback(&self) -> Option<Rollback> {
        let older = Rollback { seen: Revision(7), found: Revision(3) };
        if matches!(self.flaw(), Flaw::RolledBack) { Some(older) } else { self.inner.rollback() }
    }

    fn acknowledge_rollback(&self, now: Timestamp) -> StoreFuture<'_, Option<u64>> {
        self.inner.acknowledge_rollback(now)
    }

    fn find_excess(&self, namespace: Namespace, wanted: Wanted) -> StoreFuture<'_, Option<QuotaExceeded>> {
        self.inner.find_excess(namespace, wanted)
    }

    fn has_lost_its_writer(&self) -> bool {
        self.inner.has_lost_its_writer()
    }
}
