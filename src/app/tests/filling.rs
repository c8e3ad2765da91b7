//! A real store whose disk can be full, and whose answers can be late.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

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

pub(super) struct Filling {
    store: Arc<dyn Store>,
    is_full: AtomicBool,
    panics: AtomicBool,
    refused: watch::Sender<u32>,
    /// Whether writes of objects are answered later than they are committed, and how many wait for that.
    late: watch::Sender<(bool, u32)>,
}

impl Filling {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            is_full: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            refused: watch::Sender::new(0),
            late: watch::Sender::new((false, 0)),
        }
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::SeqCst);
    }

    /// From now on lists of objects and counts of grants panic.
    pub(super) fn panic_from_now_on(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    fn panic_if_wanted(&self) {
        assert!(!self.panics.load(Ordering::SeqCst), "the test wants this panic");
    }

    /// Waits until so many writes of objects were refused.
    pub(super) async fn refused(&self, count: u32) {
        self.refused.subscribe().wait_for(|refused| *refused >= count).await.unwrap();
    }

    /// From now on writes of objects are committed, and not answered until the next call with `false`.
    pub(super) fn withhold_answers(&self, withhold: bool) {
        self.late.send_modify(|(late, _)| *late = withhold);
    }

    /// Waits until so many writes are committed and not answered.
    pub(super) async fn withheld(&self, count: u32) {
        self.late.subscribe().wait_for(|(_, waiting)| *waiting >= count).await.unwrap();
    }

    async fn write_and_answer_late(&self, writes: Vec<ObjectWrite>) -> Result<Vec<StoredObject>, WriteObjectsError> {
        let answer = self.store.write_objects(writes).await;
        self.late.send_modify(|(_, waiting)| *waiting += 1);
        self.late.subscribe().wait_for(|(late, _)| !late).await.unwrap();
        answer
    }
}

impl ObjectStore for Filling {
    fn object(&self, key: ObjectKey) -> StoreFuture<'_, Option<StoredObject>> {
        self.store.object(key)
    }

    fn objects(&self, query: ObjectQuery) -> StoreFuture<'_, ObjectPage> {
        self.panic_if_wanted();
        self.store.objects(query)
    }

    fn count_objects(&self, query: ObjectQuery) -> StoreFuture<'_, u32> {
        self.store.count_objects(query)
    }

    fn write_objects(&self, writes: Vec<ObjectWrite>) -> StoreFuture<'_, Vec<StoredObject>, WriteObjectsError> {
        if self.late.borrow().0 {
            return Box::pin(self.write_and_answer_late(writes));
        }
        if !self.is_full.load(Ordering::SeqCst) {
            return self.store.write_objects(writes);
        }
        self.refused.send_modify(|refused| *refused += 1);
        let source = StoreFailure::Overloaded;
        Box::pin(async { Err(WriteObjectsError::Store(StoreError::Unavailable { action: "write", source })) })
    }
}

impl Store for Filling {
    fn changes(&self) -> &Arc<Changes> {
        self.store.changes()
    }

    fn advance(&self) -> StoreFuture<'_, Revision> {
        self.store.advance()
    }

    fn rollback(&self) -> Option<Rollback> {
        self.store.rollback()
    }

    fn acknowledge_rollback(&self, now: Timestamp) -> StoreFuture<'_, Option<u64>> {
        self.store.acknowledge_rollback(now)
    }

    fn find_excess(&self, namespace: Namespace, wanted: Wanted) -> StoreFuture<'_, Option<QuotaExceeded>> {
        self.store.find_excess(namespace, wanted)
    }

    fn has_lost_its_writer(&self) -> bool {
        self.store.has_lost_its_writer()
    }
}

impl GrantStore for Filling {
    fn create(&self, grant: NewGrant) -> StoreFuture<'_, Grant, CreateError> {
        self.store.create(grant)
    }

    fn get(&self, id: GrantId) -> StoreFuture<'_, Option<Grant>> {
        self.store.get(id)
    }

    fn find(&self, namespace: Namespace, name: GrantName) -> StoreFuture<'_, Option<Grant>> {
        self.store.find(namespace, name)
    }

    fn list(&self, query: GrantQuery) -> StoreFuture<'_, GrantPage> {
        self.store.list(query)
    }

    fn count_listed(&self, query: GrantQuery) -> StoreFuture<'_, u32> {
        self.store.count_listed(query)
    }

    fn update(&self, id: GrantId, expected: Revision, change: GrantChange) -> StoreFuture<'_, Grant, UpdateError> {
        self.store.update(id, expected, change)
    }

    fn delete(
        &self,
        namespace: Namespace,
        name: GrantName,
        expected: Option<Revision>,
    ) -> StoreFuture<'_, Option<Deleted>, UpdateError> {
        self.store.delete(namespace, name, expected)
    }

    fn commit_redemption(&self, redemption: PendingRedemption) -> StoreFuture<'_, Recorded, CommitError> {
        self.store.commit_redemption(redemption)
    }

    fn claim(&self, claim: Claim, key: KeyFingerprint) -> StoreFuture<'_, Claimed, ReplayError> {
        self.store.claim(claim, key)
    }

    fn repeatable(&self, claim: &Claim, since: Timestamp) -> StoreFuture<'_, Option<u32>> {
        self.store.repeatable(claim, since)
    }

    fn replays(&self, id: GrantId, after: (u32, u32), limit: u32) -> StoreFuture<'_, Vec<Replay>> {
        self.store.replays(id, after, limit)
    }

    fn redemptions(&self, id: GrantId, after: u32, limit: u32) -> StoreFuture<'_, Vec<Redemption>> {
        self.store.redemptions(id, after, limit)
    }

    fn ledger(&self, query: LedgerQuery) -> StoreFuture<'_, LedgerPage> {
        self.store.ledger(query)
    }

    fn count(&self, now: Timestamp) -> StoreFuture<'_, GrantCounts> {
        self.panic_if_wanted();
        self.store.count(now)
    }

    fn sweep(&self, cutoff: Timestamp, limit: u32) -> StoreFuture<'_, u32> {
        self.store.sweep(cutoff, limit)
    }

    fn revision(&self) -> StoreFuture<'_, Revision> {
        self.store.revision()
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        self.store.check()
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.store.close()
    }
}
