//! [`Store`] on any backend: reads go to the reader, writes into the queue of the writer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    backend::{Backend, Connection},
    batch::Operation as _,
    guard::{RevisionGuard, StoreState},
    keeper::{keep, keep_at_intervals},
    operation::{
        AcknowledgeRollback, Advance, Check, Create, Delete, RecordReissue, RecordReplay, Sweep, Update, WriteObjects,
        compare, new_allowance,
    },
    read::Reader,
    recent::Recent,
    redemption::WaitingRedemption,
    row,
    seal::{OfGrant, Purpose, SealingKey},
    writer::{Queue, Writer},
};
use crate::{
    grant::{
        Claim, Grant, GrantId, GrantName, KeyFingerprint, Namespace, PendingRedemption, Redemption, Replay, Revision,
    },
    store::{
        Changes, Claimed, CommitError, CreateError, Deleted, GrantChange, GrantCounts, GrantPage, GrantQuery,
        GrantStore, LedgerPage, LedgerQuery, NewGrant, ObjectKey, ObjectPage, ObjectQuery, ObjectStore, ObjectWrite,
        OnCommit, Quota, QuotaExceeded, Recorded, ReplayError, Rollback, SealError, Store, StoreError, StoreFailure,
        StoreFuture, StoredObject, UpdateError, Wanted, WriteObjectsError,
    },
    time::Timestamp,
};

/// Grants and objects in a database of SQL: one writer, a few readers.
pub(in crate::store) struct SqlStore<B: Backend> {
    reader: Reader<B>,
    queue: Queue<B>,
    key: Arc<SealingKey>,
    schema: i64,
    quota: Quota,
    changes: Arc<Changes>,
    guard: Arc<RevisionGuard>,
    backend: Arc<B>,
    /// The grant of the last redemption that failed with the database, until a check of that grant succeeds.
    suspect: Mutex<Option<GrantId>>,
}

/// A database that is open, migrated and unlocked.
pub(in crate::store) struct Opened<B: Backend> {
    pub(in crate::store) backend: B,
    /// The connection that writes.
    pub(in crate::store) writer: Connection<B>,
    pub(in crate::store) key: SealingKey,
    /// The version of its schema, which this program was made for.
    pub(in crate::store) schema: i64,
    /// The state in which it is opened.
    pub(in crate::store) state: StoreState,
    /// How much each namespace may store.
    pub(in crate::store) quota: Quota,
}

impl<B: Backend> SqlStore<B> {
    /// Starts the writer on the current runtime.
    pub(in crate::store) fn start(opened: Opened<B>, on_commit: OnCommit) -> Self {
        let Opened { backend, writer, key, schema, state, quota } = opened;
        let (backend, key) = (Arc::new(backend), Arc::new(key));
        let (recent, changes) = (Arc::new(Recent::new(B::IS_SHARED)), Arc::new(Changes::new(state.revision)));
        let guard = Arc::new(RevisionGuard::new(state));
        let reader = Reader::new(Arc::clone(&backend), Arc::clone(&key), Arc::clone(&recent));
        keep_at_intervals(&backend, &guard);
        let writer = Writer {
            connection: Some(writer),
            backend: Arc::clone(&backend),
            on_commit,
            recent,
            changes: Arc::clone(&changes),
            guard: Arc::clone(&guard),
        };
        let queue = writer.start();
        Self { reader, queue, key, schema, quota, changes, guard, backend, suspect: Mutex::default() }
    }

    /// Whether certificates may be given out.
    fn admit(&self, action: &'static str) -> Result<(), StoreError> {
        self.guard.admit().map_err(|source| StoreError::Unavailable { action, source })
    }

    fn suspect(&self) -> MutexGuard<'_, Option<GrantId>> {
        // An identifier is whole whenever the lock is released.
        self.suspect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a grant that the database did not read or change.
    fn note(&self, id: GrantId, error: &StoreError) {
        if let StoreError::Unavailable { source: StoreFailure::Database(_), .. } = error {
            *self.suspect() = Some(id);
        }
    }

    /// Writes and reads as a redemption does, of the suspect if there is one.
    async fn check_as_a_redemption(&self) -> Result<(), StoreError> {
        let suspect = *self.suspect();
        self.queue.write(Check { schema: self.schema, suspect }).await?;
        self.reader.check(suspect).await?;
        self.admit(Check::ACTION)?;
        let mut remembered = self.suspect();
        if *remembered == suspect {
            *remembered = None;
        }
        Ok(())
    }

    fn sealed(&self, grant: NewGrant) -> Result<Create, StoreError> {
        let allowance = new_allowance(&grant)?;
        let place = OfGrant { namespace: &grant.namespace, name: &grant.name, id: grant.id };
        let sealed_code = self.key.seal(grant.code.expose().as_bytes(), Purpose::Code(place));
        let sealed_code = sealed_code.map_err(unsealed("seal a code"))?;
        let sealed_metadata =
            row::metadata_json(&grant.metadata).map(|json| self.key.seal(&json, Purpose::Metadata(place)));
        let sealed_metadata = sealed_metadata.transpose().map_err(unsealed("seal metadata"))?;
        Ok(Create { grant, allowance, sealed_code, sealed_metadata, quota: self.quota })
    }
}

/// The error when sealing failed. Like an unavailable database: trying again may help.
fn unsealed(action: &'static str) -> impl FnOnce(SealError) -> StoreError {
    move |source| StoreError::Unavailable { action, source: StoreFailure::Sealing(source) }
}

impl<B: Backend> GrantStore for SqlStore<B> {
    fn create(&self, grant: NewGrant) -> StoreFuture<'_, Grant, CreateError> {
        Box::pin(async move {
            let create = self.sealed(grant).map_err(CreateError::Store)?;
            self.queue.write(create).await
        })
    }

    fn get(&self, id: GrantId) -> StoreFuture<'_, Option<Grant>> {
        Box::pin(async move { self.reader.get(id).await.inspect_err(|error| self.note(id, error)) })
    }

    fn find(&self, namespace: Namespace, name: GrantName) -> StoreFuture<'_, Option<Grant>> {
        Box::pin(self.reader.find(namespace, name))
    }

    fn list(&self, query: GrantQuery) -> StoreFuture<'_, GrantPage> {
        Box::pin(self.reader.list(query))
    }

    fn count_listed(&self, query: GrantQuery) -> StoreFuture<'_, u32> {
        Box::pin(self.reader.count_listed(query))
    }

    fn update(&self, id: GrantId, expected: Revision, change: GrantChange) -> StoreFuture<'_, Grant, UpdateError> {
        Box::pin(async move {
            let (metadata, key) = (row::metadata_json(&change.metadata), Arc::clone(&self.key));
            self.queue.write(Update { id, expected, change, metadata, key, quota: self.quota }).await
        })
    }

    fn delete(
        &self,
        namespace: Namespace,
        name: GrantName,
        expected: Option<Revision>,
    ) -> StoreFuture<'_, Option<Deleted>, UpdateError> {
        Box::pin(self.queue.write(Delete { namespace, name, expected, key: Arc::clone(&self.key) }))
    }

    fn commit_redemption(&self, redemption: PendingRedemption) -> StoreFuture<'_, Recorded, CommitError> {
        let id = redemption.admission().grant_id();
        Box::pin(async move {
            self.admit(WaitingRedemption::ACTION).map_err(CommitError::Store)?;
            let recorded = match redemption.admission().reissue() {
                None => self.queue.redeem(redemption).await,
                Some(of) => self.queue.write(RecordReissue { attempt: redemption, of }).await,
            };
            recorded.inspect_err(|error| match error {
                CommitError::Store(error) => self.note(id, error),
                CommitError::Expired
                | CommitError::Exhausted
                | CommitError::Gone
                | CommitError::KnownKey
                | CommitError::NotRepeatable => {}
            })
        })
    }

    fn claim(&self, claim: Claim, key: KeyFingerprint) -> StoreFuture<'_, Claimed, ReplayError> {
        Box::pin(async move {
            self.admit(RecordReplay::ACTION).map_err(ReplayError::Store)?;
            // Most keys are new: they cost no write here.
            match self.reader.is_known(claim.grant_id(), key).await.map_err(ReplayError::Store)? {
                true => self.queue.write(RecordReplay { claim, key }).await,
                false => Ok(Claimed::New(claim)),
            }
        })
    }

    fn repeatable(&self, claim: &Claim, since: Timestamp) -> StoreFuture<'_, Option<u32>> {
        let (id, link_name, subject) = (claim.grant_id(), claim.link_name().clone(), claim.subject().clone());
        Box::pin(async move { self.reader.repeatable(id, &link_name, &subject, since).await })
    }

    fn replays(&self, id: GrantId, after: (u32, u32), limit: u32) -> StoreFuture<'_, Vec<Replay>> {
        Box::pin(self.reader.replays(id, after, limit))
    }

    fn redemptions(&self, id: GrantId, after: u32, limit: u32) -> StoreFuture<'_, Vec<Redemption>> {
        Box::pin(self.reader.redemptions(id, after, limit))
    }

    fn ledger(&self, query: LedgerQuery) -> StoreFuture<'_, LedgerPage> {
        Box::pin(self.reader.ledger(query))
    }

    fn count(&self, now: Timestamp) -> StoreFuture<'_, GrantCounts> {
        Box::pin(self.reader.count(now))
    }

    fn sweep(&self, cutoff: Timestamp, limit: u32) -> StoreFuture<'_, u32> {
        Box::pin(self.queue.write(Sweep { cutoff, limit, key: Arc::clone(&self.key) }))
    }

    fn revision(&self) -> StoreFuture<'_, Revision> {
        Box::pin(self.reader.revision())
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.check_as_a_redemption())
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            // The readers are closed first: a checkpoint cannot finish while one of them still reads.
            self.reader.close().await;
            self.queue
                .close()
                .await
                .map_err(|source| StoreError::Unavailable { action: "close the grant store", source })
        })
    }
}

impl<B: Backend> ObjectStore for SqlStore<B> {
    fn object(&self, key: ObjectKey) -> StoreFuture<'_, Option<StoredObject>> {
        Box::pin(self.reader.object(key))
    }

    fn objects(&self, query: ObjectQuery) -> StoreFuture<'_, ObjectPage> {
        Box::pin(self.reader.objects(query))
    }

    fn count_objects(&self, query: ObjectQuery) -> StoreFuture<'_, u32> {
        Box::pin(self.reader.count_objects(query))
    }

    fn write_objects(&self, writes: Vec<ObjectWrite>) -> StoreFuture<'_, Vec<StoredObject>, WriteObjectsError> {
        Box::pin(self.queue.write(WriteObjects::new(writes, Arc::clone(&self.key), self.quota)))
    }
}

impl<B: Backend> Store for SqlStore<B> {
    fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    fn advance(&self) -> StoreFuture<'_, Revision> {
        Box::pin(async move {
            let revision = self.queue.write(Advance).await?;
            // A copy of the database from before this start is older from now on.
            keep(Arc::clone(&self.backend), &self.guard).await;
            Ok(revision)
        })
    }

    fn rollback(&self) -> Option<Rollback> {
        self.guard.rollback()
    }

    fn acknowledge_rollback(&self, now: Timestamp) -> StoreFuture<'_, Option<u64>> {
        Box::pin(async move {
            let expired = self.queue.write(AcknowledgeRollback { now }).await?;
            if expired.is_some() {
                // The expired grants have no entries of their own.
                self.changes.restart(self.changes.head());
            }
            Ok(expired)
        })
    }

    fn find_excess(&self, namespace: Namespace, wanted: Wanted) -> StoreFuture<'_, Option<QuotaExceeded>> {
        Box::pin(async move {
            let used = self.reader.usage(&namespace).await?;
            Ok(compare(self.quota, used, &wanted).err())
        })
    }

    fn has_lost_its_writer(&self) -> bool {
        self.queue.has_lost_its_writer()
    }
}
