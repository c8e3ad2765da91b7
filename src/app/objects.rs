//! Objects that are kept as they were written: tokens to redeem, Links, Secrets, Sites.

use std::sync::Arc;

use super::service::App;
use crate::{
    grant::Namespace,
    link::ResourceName,
    metrics::{Metrics, StoreOperation},
    store::{
        Changes, ObjectContent, ObjectKey, ObjectKind, ObjectPage, ObjectQuery, ObjectWrite, Store, StoreError,
        StoredObject, Wanted, WriteObjectsError,
    },
};

/// Why a namespace cannot have a site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteRefusal {
    /// The configuration has a site of that name or namespace, and it alone can change that.
    #[error("namespace {namespace} has the site {name} of the server's configuration, which cannot be changed here")]
    Configured {
        /// The namespace.
        namespace: Namespace,
        /// The site's name.
        name: String,
    },
    /// A namespace has one site.
    #[error("namespace {namespace} has a site already, {name}: there is one site a namespace")]
    AnotherOne {
        /// The namespace.
        namespace: Namespace,
        /// The site's name.
        name: ResourceName,
    },
}

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteObjectError {
    /// The namespace cannot have this site.
    #[error(transparent)]
    Site(SiteRefusal),
    /// An error that every kind of object can have.
    #[error(transparent)]
    Object(WriteObjectsError),
}

impl From<SiteRefusal> for WriteObjectError {
    fn from(refusal: SiteRefusal) -> Self {
        Self::Site(refusal)
    }
}

impl App {
    /// The object of this key, if there is one.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn object(&self, key: ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        self.read(self.store.object(key)).await
    }

    /// A page of objects of one kind.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn objects(&self, query: ObjectQuery) -> Result<ObjectPage, StoreError> {
        self.read(self.store.objects(query)).await
    }

    /// How many objects a list of this query has, counted up to its limit.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn count_objects(&self, query: ObjectQuery) -> Result<u32, StoreError> {
        self.read(self.store.count_objects(query)).await
    }

    /// Does one write, and serves a site as it is from then on.
    ///
    /// # Errors
    /// [`WriteObjectError`]; then nothing was changed.
    pub async fn write_object(&self, write: ObjectWrite) -> Result<Option<StoredObject>, WriteObjectError> {
        match &write {
            ObjectWrite::Create { .. } | ObjectWrite::Update { .. } => {
                let checked = self.check_disk("write an object").map_err(WriteObjectsError::Store);
                checked.map_err(WriteObjectError::Object)?;
            }
            ObjectWrite::Delete { .. } => {}
        }
        match write.key().kind {
            ObjectKind::Site => self.write_site(write).await,
            ObjectKind::AccessToken | ObjectKind::Link | ObjectKind::Secret => {
                self.write_objects(vec![write]).await.map(|mut written| written.pop()).map_err(WriteObjectError::Object)
            }
        }
    }

    /// Finds out whether a new object could be written, as far as that depends on others than itself.
    ///
    /// # Errors
    /// The [`WriteObjectError`] that [`write_object`](Self::write_object) would have.
    pub async fn check_write(&self, write: &ObjectWrite) -> Result<(), WriteObjectError> {
        let ObjectWrite::Create { key, content, .. } = write else { return Ok(()) };
        self.check_disk("write an object").map_err(unstored)?;
        match key.kind {
            ObjectKind::Site => self.check_place(write).await?,
            ObjectKind::AccessToken | ObjectKind::Link | ObjectKind::Secret => {}
        }
        self.check_quota(key, Wanted::Object(content.clone())).await
    }

    /// Finds out whether an object could be changed to this content, as far as that depends on others than itself.
    ///
    /// # Errors
    /// The [`WriteObjectError`] that [`write_object`](Self::write_object) would have.
    pub async fn check_change(&self, current: &StoredObject, after: ObjectContent) -> Result<(), WriteObjectError> {
        self.check_disk("write an object").map_err(unstored)?;
        self.check_quota(&current.key, Wanted::ObjectChange { before: current.content.clone(), after }).await
    }

    async fn check_quota(&self, key: &ObjectKey, wanted: Wanted) -> Result<(), WriteObjectError> {
        let excess = self.find_excess(key.namespace.clone(), wanted).await.map_err(unstored)?;
        excess.map_or(Ok(()), |exceeded| Err(WriteObjectError::Object(WriteObjectsError::Quota(exceeded))))
    }

    /// Does all of these writes, or none. Sites are not among them: [`write_object`](Self::write_object) serves them too.
    ///
    /// # Errors
    /// [`WriteObjectsError`] of the first that cannot be done.
    pub(super) async fn write_objects(&self, writes: Vec<ObjectWrite>) -> Result<Vec<StoredObject>, WriteObjectsError> {
        write(&*self.store, &self.metrics, writes).await
    }

    /// What has changed lately, of grants and of objects.
    pub fn changes(&self) -> &Arc<Changes> {
        self.store.changes()
    }
}

fn unstored(error: StoreError) -> WriteObjectError {
    WriteObjectError::Object(WriteObjectsError::Store(error))
}

/// Does all of these writes, or none, and counts a failure of the store.
pub(super) async fn write(
    store: &dyn Store,
    metrics: &Metrics,
    writes: Vec<ObjectWrite>,
) -> Result<Vec<StoredObject>, WriteObjectsError> {
    let written = store.write_objects(writes).await;
    if let Err(WriteObjectsError::Store(_)) = &written {
        metrics.store_failed(StoreOperation::Write);
    }
    written
}
