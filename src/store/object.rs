//! Objects that are stored as callers wrote them: AccessTokens, Links and Secrets of the connecting side, and Sites that
//! were made through the API.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{CorruptRow, PageLimit, QuotaExceeded, StoreError, StoreFuture};
use crate::{
    grant::{Namespace, Revision},
    link::ResourceName,
    time::Timestamp,
};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// The kinds of objects in this table. AccessGrants have a table of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A token that this server redeems at another site.
    AccessToken,
    /// A link: the endpoints that a router connects to.
    Link,
    /// Credentials of a router.
    Secret,
    /// A site made through the API.
    Site,
}

impl ObjectKind {
    /// The name of the kind in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "AccessToken",
            Self::Link => "Link",
            Self::Secret => "Secret",
            Self::Site => "Site",
        }
    }
}

/// The key of an object. No two objects have the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ResourceName,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

/// The content of an object. All of it is sealed in the database: any part may hold a secret.
#[derive(Clone, PartialEq, Default)]
pub struct ObjectContent {
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// The members beside `apiVersion`, `kind` and `metadata`: `spec` and `status`, or `data` and `type`.
    pub body: Map<String, Value>,
    /// What the controller of the object keeps for itself. No caller of the admin API sees or changes it.
    pub private: Map<String, Value>,
}

impl fmt::Debug for ObjectContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObjectContent(redacted)")
    }
}

/// An object as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredObject {
    /// Its kind, namespace and name.
    pub key: ObjectKey,
    /// Its uid: no other object has or had it.
    pub uid: Uuid,
    /// 1 at first; 1 more with every change of the specification. A change of the status alone leaves it.
    pub generation: u64,
    /// The revision of its last change.
    pub revision: Revision,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its content.
    pub content: ObjectContent,
}

/// Which objects a list shows.
#[derive(Debug, Clone)]
pub struct ObjectQuery {
    /// Only objects of this kind.
    pub kind: ObjectKind,
    /// Only objects of this namespace; all when `None`.
    pub namespace: Option<Namespace>,
    /// Only those ordered after this namespace and name, with which the page before ended.
    pub after: Option<(Namespace, ResourceName)>,
    /// At most this many.
    pub limit: PageLimit,
}

/// One page of a list, ordered by namespace and name.
#[derive(Debug, Clone)]
pub struct ObjectPage {
    /// The objects that could be read.
    pub objects: Vec<StoredObject>,
    /// The uids of those that could not, and what is wrong with their rows.
    pub corrupt: Vec<CorruptRow>,
    /// The store's revision when the page was read.
    pub revision: Revision,
    /// Where the next page starts; `None` when this is the last.
    pub next: Option<(Namespace, ResourceName)>,
}

/// One of the writes that are done together.
#[derive(Debug, Clone)]
pub enum ObjectWrite {
    /// A new object, of generation 1.
    Create {
        /// Its key, which no other object has.
        key: ObjectKey,
        /// Its uid.
        uid: Uuid,
        /// The time of the creation.
        created_at: Timestamp,
        /// Its content.
        content: ObjectContent,
    },
    /// Replaces what is in an object that is still at `expected`.
    Update {
        /// The key of the object.
        key: ObjectKey,
        /// The revision that the caller has read.
        expected: Revision,
        /// Its generation: as before, or 1 more.
        generation: u64,
        /// Its new content.
        content: ObjectContent,
        /// Its labels until now, when they change: a watcher that selects by label gets an event for an object that it
        /// no longer selects.
        labels_before: Option<Labels>,
    },
    /// Removes an object, if `expected` is given only at that state.
    Delete {
        /// The key of the object.
        key: ObjectKey,
        /// The revision that the caller has read.
        expected: Option<Revision>,
    },
}

impl ObjectWrite {
    /// Which object is written.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Self::Create { key, .. } | Self::Update { key, .. } | Self::Delete { key, .. } => key,
        }
    }
}

/// Why a write failed, and with it all that were to be done together.
#[derive(Debug, thiserror::Error)]
pub enum WriteObjectsError {
    /// An object of that name exists.
    #[error("{0} exists already")]
    Exists(ObjectKey),
    /// It was deleted.
    #[error("{0} does not exist")]
    Gone(ObjectKey),
    /// It changed since it was read.
    #[error("{0} has changed since it was read")]
    Conflict(ObjectKey),
    /// The namespace has stored too much.
    #[error(transparent)]
    Quota(QuotaExceeded),
    /// The store did not answer.
    #[error("the objects were not written")]
    Store(#[source] StoreError),
}

/// Objects, kept durably, in the same store and under the same promises as grants: durable, revisions that grow, sealed.
pub trait ObjectStore: Send + Sync + 'static {
    /// The object of this key, if there is one.
    fn object(&self, key: ObjectKey) -> StoreFuture<'_, Option<StoredObject>>;

    /// A page of objects of one kind, ordered by namespace and name.
    fn objects(&self, query: ObjectQuery) -> StoreFuture<'_, ObjectPage>;

    /// How many objects a list of this query has on all its pages, counted up to its limit and no further.
    fn count_objects(&self, query: ObjectQuery) -> StoreFuture<'_, u32>;

    /// Does all of these writes in one durable transaction, or none; each change has a revision of its own, in this
    /// order. Answers each object as it is now; a removed one as it was, with the revision of its removal.
    ///
    /// An object whose row cannot be read is removed all the same, and answered with what of it can be read.
    ///
    /// # Errors
    /// [`WriteObjectsError`] of the first write that cannot be done.
    fn write_objects(&self, writes: Vec<ObjectWrite>) -> StoreFuture<'_, Vec<StoredObject>, WriteObjectsError>;
}
