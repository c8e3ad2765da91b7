//! Objects, in memory.

use std::future::ready;

use super::{MemoryStore, State};
use crate::{
    grant::Revision,
    store::{
        ChangeEffect, ChangeSubject, LastState, ObjectKey, ObjectPage, ObjectQuery, ObjectStore, ObjectWrite,
        PageLimit, StoreError, StoreFuture, StoredObject, WriteObjectsError,
        changes::{Committed, PendingChange},
    },
};

impl ObjectStore for MemoryStore {
    fn object(&self, key: ObjectKey) -> StoreFuture<'_, Option<StoredObject>> {
        Box::pin(ready(self.open("read an object").map(|state| state.objects.get(&key).cloned())))
    }

    fn objects(&self, query: ObjectQuery) -> StoreFuture<'_, ObjectPage> {
        Box::pin(ready(self.open("list objects").map(|state| state.list_objects(&query))))
    }

    fn count_objects(&self, query: ObjectQuery) -> StoreFuture<'_, u32> {
        Box::pin(ready(self.open("count what a list has").map(|state| state.count_objects(query))))
    }

    fn write_objects(&self, writes: Vec<ObjectWrite>) -> StoreFuture<'_, Vec<StoredObject>, WriteObjectsError> {
        let state = self.open("write objects").map_err(WriteObjectsError::Store);
        Box::pin(ready(state.and_then(|mut state| state.write_objects(writes))))
    }
}

impl State {
    fn list_objects(&self, query: &ObjectQuery) -> ObjectPage {
        let limit = query.limit.of_page() as usize;
        let wanted = |key: &ObjectKey| {
            key.kind == query.kind
                && query.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
                && query.after.as_ref().is_none_or(|(namespace, name)| (&key.namespace, &key.name) > (namespace, name))
        };
        let found = self.objects.values().filter(|object| wanted(&object.key));
        let mut objects: Vec<StoredObject> = found.take(limit + 1).cloned().collect();
        let more = objects.len() > limit;
        objects.truncate(limit);
        let next = objects.last().filter(|_| more).map(|last| (last.key.namespace.clone(), last.key.name.clone()));
        ObjectPage { objects, corrupt: Vec::new(), revision: Revision(self.revision), next }
    }

    fn count_objects(&self, mut query: ObjectQuery) -> u32 {
        let (limit, mut listed) = (query.limit.items(), 0);
        query.limit = PageLimit::FULL;
        loop {
            let page = self.list_objects(&query);
            listed += u32::try_from(page.objects.len()).unwrap();
            query.after = page.next;
            if query.after.is_none() {
                return listed.min(limit);
            }
        }
    }

    /// Applies the writes to a copy, which replaces the state when all of them succeeded.
    fn write_objects(&mut self, writes: Vec<ObjectWrite>) -> Result<Vec<StoredObject>, WriteObjectsError> {
        let before = Revision(self.revision);
        let (mut objects, mut written, mut pending) = (self.objects.clone(), Vec::new(), Vec::new());
        for (write, place) in writes.into_iter().zip(1..) {
            let revision = Revision(before.0 + u64::from(place));
            let (object, effect) = match write {
                ObjectWrite::Create { key, uid, created_at, content } => {
                    if objects.contains_key(&key) {
                        return Err(WriteObjectsError::Exists(key));
                    }
                    if objects.values().any(|object| object.uid == uid) {
                        let (id, what) = (uid.to_string(), "breaks a rule of the schema");
                        return Err(WriteObjectsError::Store(StoreError::Corrupt { id, what }));
                    }
                    (StoredObject { key, uid, generation: 1, revision, created_at, content }, ChangeEffect::Added)
                }
                ObjectWrite::Update { key, expected, generation, content, labels_before } => {
                    let old = objects.get(&key).ok_or(WriteObjectsError::Gone(key.clone()))?;
                    if old.revision != expected {
                        return Err(WriteObjectsError::Conflict(key));
                    }
                    let (uid, created_at) = (old.uid, old.created_at);
                    let new = StoredObject { key, uid, generation, revision, created_at, content };
                    (new, ChangeEffect::Modified { labels_before })
                }
                ObjectWrite::Delete { key, expected } => {
                    let old = objects.remove(&key).ok_or(WriteObjectsError::Gone(key.clone()))?;
                    if expected.is_some_and(|expected| expected != old.revision) {
                        return Err(WriteObjectsError::Conflict(key));
                    }
                    let last = StoredObject { revision, ..old };
                    (last.clone(), ChangeEffect::Removed(LastState::Object(Box::new(last))))
                }
            };
            if !matches!(effect, ChangeEffect::Removed(_)) {
                objects.insert(object.key.clone(), object.clone());
            }
            let subject = ChangeSubject::Object { key: object.key.clone(), uid: object.uid };
            pending.push(PendingChange { place, subject, effect });
            written.push(object);
        }
        if !written.is_empty() {
            self.objects = objects;
            self.revision += written.len() as u64;
            self.changes.publish(Committed { before, head: Revision(self.revision), pending });
        }
        Ok(written)
    }
}
