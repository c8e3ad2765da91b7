//! Objects that are kept as they were written: tokens to redeem, Links, Secrets, Sites.

use std::sync::Arc;

use super::App;
use crate::{
    metrics::StoreOperation,
    store::{Changes, ObjectKey, ObjectPage, ObjectQuery, ObjectWrite, StoreError, StoredObject, WriteObjectsError},
};

impl App {
    /// The object of this key, if there is one.
    ///
    /// # Errors
    /// What the store says.
    pub async fn object(&self, key: ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        self.read(self.store.object(key)).await
    }

    /// A page of objects of one kind.
    ///
    /// # Errors
    /// What the store says.
    pub async fn objects(&self, query: ObjectQuery) -> Result<ObjectPage, StoreError> {
        self.read(self.store.objects(query)).await
    }

    /// Does all of these writes, or none.
    ///
    /// # Errors
    /// [`WriteObjectsError`] of the first that cannot be done.
    pub async fn write_objects(&self, writes: Vec<ObjectWrite>) -> Result<Vec<StoredObject>, WriteObjectsError> {
        self.store.write_objects(writes).await.map_err(|error| match error {
            WriteObjectsError::Store(error) => WriteObjectsError::Store(self.counted(error, StoreOperation::Write)),
            WriteObjectsError::Exists(_) | WriteObjectsError::Gone(_) | WriteObjectsError::Conflict(_) => error,
        })
    }

    /// What has changed lately, of grants and of objects.
    pub fn changes(&self) -> &Arc<Changes> {
        self.store.changes()
    }
}
