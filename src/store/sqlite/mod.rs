//! The store in one SQLite file.

pub(super) mod connection;
pub(super) mod open;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

pub use open::OpenError;

use self::connection::Setup;
use super::{
    Changes, CommitError, CreateError, Deleted, GrantChange, GrantCounts, GrantPage, GrantQuery, GrantStore, NewGrant,
    ObjectKey, ObjectPage, ObjectQuery, ObjectStore, ObjectWrite, Receipt, Store, StoreError, StoreFailure,
    StoreFuture, StoredObject, UpdateError, WriteObjectsError,
    sql::{
        operation::{Advance, Check, Create, Delete, Redeem, Sweep, Update, WriteObjects, new_allowance},
        read::Reader,
        recent::Recent,
        row,
        seal::{Purpose, SealError, SealingKey},
        writer::{OnCommit, Queue, Writer},
    },
};
use crate::{
    grant::{Admission, CertificateRecord, Grant, GrantId, GrantMetadata, GrantName, Namespace, Redemption, Revision},
    time::Timestamp,
};

/// What a store in SQLite needs.
pub struct SqliteOptions {
    /// The database; made when it does not exist, in a directory that does.
    pub database: PathBuf,
    /// The lock that keeps a second process away.
    pub lock: PathBuf,
    /// The key for codes, metadata and contents; made together with the database, and useless without it and the other way round.
    pub key: PathBuf,
    /// Is told of each group commit, on the writer's task: it must not block.
    pub on_commit: OnCommit,
}

/// Grants and objects in a SQLite database: one writer, a few readers, a write-ahead log, every commit synced.
pub struct SqliteStore {
    reader: Reader,
    queue: Queue,
    key: Arc<SealingKey>,
    schema: i64,
    changes: Arc<Changes>,
}

impl SqliteStore {
    /// Opens the database, migrates it if it is older than this program, and starts the writer on the current runtime.
    ///
    /// # Errors
    /// [`OpenError`]; the database is unchanged then, or migrated and whole.
    pub async fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let setup = Setup::new(&options.database);
        Self::open_with(options, setup).await
    }

    pub(in crate::store) async fn open_with(options: SqliteOptions, setup: Setup) -> Result<Self, OpenError> {
        let SqliteOptions { database, lock, key, on_commit } = options;
        let unusable = |source| OpenError::Unusable { database: database.clone(), source };
        let lock = open::lock(&lock)?;
        open::prepare_files(&database)?;
        let mut connection = setup.open().await.map_err(unusable)?;
        let schema = open::migrate(&mut connection, &database).await?;
        let key = Arc::new(open::unlock(&mut connection, &database, &key).await?);
        let revision = open::revision(&mut connection, &database).await?;
        sqlx::Connection::close(connection).await.map_err(unusable)?;
        let writer = setup.open_writer().await.map_err(unusable)?;
        let readers = setup.open_readers().await.map_err(unusable)?;
        let recent = Arc::new(Recent::default());
        let reader = Reader::new(readers, Arc::clone(&key), Arc::clone(&recent));
        let changes = Arc::new(Changes::new(revision));
        let told = Arc::clone(&changes);
        let queue = Writer { connection: Some(writer), setup, on_commit, recent, changes: told, lock }.start();
        Ok(Self { reader, queue, key, schema, changes })
    }

    fn sealed(&self, grant: NewGrant) -> Result<Create, StoreError> {
        let allowance = new_allowance(&grant)?;
        let sealed_code = self.key.seal(grant.code.expose().as_bytes(), Purpose::Code(grant.id));
        let sealed_code = sealed_code.map_err(unsealed("seal a code"))?;
        let sealed_metadata = self.sealed_metadata(&grant.metadata, grant.id)?;
        Ok(Create { grant, allowance, sealed_code, sealed_metadata })
    }

    fn sealed_metadata(&self, metadata: &GrantMetadata, id: GrantId) -> Result<Option<Vec<u8>>, StoreError> {
        row::seal_metadata(metadata, id, &self.key).map_err(unsealed("seal metadata"))
    }
}

/// Sealing failed: as if the database did not answer, as trying again may help.
fn unsealed(action: &'static str) -> impl FnOnce(SealError) -> StoreError {
    move |source| StoreError::Unavailable { action, source: StoreFailure::Sealing(source) }
}

impl GrantStore for SqliteStore {
    fn create(&self, grant: NewGrant) -> StoreFuture<'_, Grant, CreateError> {
        Box::pin(async move {
            let create = self.sealed(grant).map_err(CreateError::Store)?;
            self.queue.write(create).await
        })
    }

    fn get(&self, id: GrantId) -> StoreFuture<'_, Option<Grant>> {
        Box::pin(self.reader.get(id))
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
            let sealed_metadata = self.sealed_metadata(&change.metadata, id).map_err(UpdateError::Store)?;
            let key = Arc::clone(&self.key);
            self.queue.write(Update { id, expected, change, sealed_metadata, key }).await
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

    fn commit_redemption(
        &self,
        admission: Admission,
        certificate: CertificateRecord,
    ) -> StoreFuture<'_, Receipt, CommitError> {
        Box::pin(self.queue.write(Redeem { admission, certificate }))
    }

    fn redemptions(&self, id: GrantId, after: u32, limit: u32) -> StoreFuture<'_, Vec<Redemption>> {
        Box::pin(self.reader.redemptions(id, after, limit))
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
        Box::pin(self.queue.write(Check { schema: self.schema }))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            // Readers first: a checkpoint cannot pass one that still reads.
            self.reader.close().await;
            self.queue
                .close()
                .await
                .map_err(|source| StoreError::Unavailable { action: "close the grant store", source })
        })
    }
}

impl ObjectStore for SqliteStore {
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
        Box::pin(self.queue.write(WriteObjects::new(writes, Arc::clone(&self.key))))
    }
}

impl Store for SqliteStore {
    fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    fn advance(&self) -> StoreFuture<'_, Revision> {
        Box::pin(self.queue.write(Advance))
    }
}
