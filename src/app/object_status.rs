//! How a controller writes the status of an object: only when it differs, and only for the spec that it has read.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value};

use super::service::App;
use crate::store::{ObjectWrite, StoreError, StoredObject, WriteObjectsError};

/// Other writers may come between, but hardly more often than this in a row.
const MOST_CONFLICTS: u32 = 10;

/// What became of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is stored now.
    Written,
    /// The object has this status already, or needs none any more; nothing was written.
    Same,
    /// The object is deleted, replaced, or has another spec now: the status would be about the past.
    Outdated,
}

/// Whether both are the same object with the same spec.
pub(super) fn is_same_spec(one: &StoredObject, other: &StoredObject) -> bool {
    one.uid == other.uid && one.generation == other.generation
}

/// A hash of the object's labels and annotations. No controller writes them, so when it changes, a user has changed them to
/// have the object reconciled now.
pub(super) fn marks(object: &StoredObject) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&object.content.labels, &object.content.annotations).hash(&mut hasher);
    hasher.finish()
}

/// The write that gives `object` this status.
pub(super) fn status_write(object: &StoredObject, status: Map<String, Value>) -> ObjectWrite {
    let mut content = object.content.clone();
    content.body.insert("status".to_owned(), Value::Object(status));
    ObjectWrite::Update {
        key: object.key.clone(),
        expected: object.revision,
        generation: object.generation,
        content,
        labels_before: None,
    }
}

impl App {
    /// Gives the object that was `seen` the status that `make` returns for its newest state, if it returns one.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub(super) async fn note_status(
        &self,
        seen: &StoredObject,
        make: impl Fn(&StoredObject) -> Option<Map<String, Value>> + Send + Sync,
    ) -> Result<Noted, StoreError> {
        let mut current = seen.clone();
        for _ in 0..MOST_CONFLICTS {
            let Some(status) = make(&current) else { return Ok(Noted::Same) };
            if current.content.body.get("status").and_then(Value::as_object) == Some(&status) {
                return Ok(Noted::Same);
            }
            match self.write_objects(vec![status_write(&current, status)]).await {
                Ok(_) => return Ok(Noted::Written),
                Err(WriteObjectsError::Store(error)) => return Err(error),
                // The quota keeps space for the statuses of all objects; this one has more to say than there is space for.
                Err(WriteObjectsError::Quota(_)) => return Ok(Noted::Outdated),
                Err(WriteObjectsError::Exists(_) | WriteObjectsError::Gone(_) | WriteObjectsError::Conflict(_)) => {}
            }
            match self.object(seen.key.clone()).await? {
                Some(newer) if is_same_spec(&newer, seen) => current = newer,
                Some(_) | None => return Ok(Noted::Outdated),
            }
        }
        Ok(Noted::Outdated)
    }
}
