//! Writing objects, several at once or none.

use std::sync::Arc;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    grant::Revision,
    store::{
        ChangeEffect, ChangeSubject, ObjectContent, ObjectKey, ObjectWrite, Quota, StoreError, StoreFailure,
        StoredObject, WriteObjectsError,
        sql::{
            backend::{Backend, Row},
            batch::{Batch, Decision, Operation},
            failure::{Failure, revision_of},
            operation::usage::{bytes, usage},
            row,
            seal::{Purpose, SealingKey},
            statement::{Columns as _, statement},
            statements,
        },
    },
    time::Timestamp,
};

/// Writes with their contents in plain text. They are sealed in the transaction, because a content is sealed for its
/// object's uid, which is only known there.
pub(in crate::store) struct WriteObjects {
    writes: Vec<(ObjectWrite, Zeroizing<Vec<u8>>)>,
    key: Arc<SealingKey>,
    quota: Quota,
}

/// The object as it is after one write, of a new content nothing yet; or why it was not done.
type Outcome = Result<Result<StoredObject, WriteObjectsError>, Failure>;

/// The fields of a new object beside its content.
struct New<'a> {
    key: &'a ObjectKey,
    uid: Uuid,
    created_at: Timestamp,
}

/// The fields of a change beside its content.
struct Replacement<'a> {
    key: &'a ObjectKey,
    expected: Revision,
    generation: u64,
    effect: ChangeEffect,
}

impl WriteObjects {
    pub(in crate::store) fn new(writes: Vec<ObjectWrite>, key: Arc<SealingKey>, quota: Quota) -> Self {
        let ready = |write: ObjectWrite| match &write {
            ObjectWrite::Create { content, .. } | ObjectWrite::Update { content, .. } => {
                let json = row::object_json(content);
                (write, json)
            }
            ObjectWrite::Delete { .. } => (write, Zeroizing::default()),
        };
        Self { writes: writes.into_iter().map(ready).collect(), key, quota }
    }

    /// Does the writes in order, up to the first that cannot be done.
    async fn write_all<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        let mut written = Vec::with_capacity(self.writes.len());
        for (write, json) in &self.writes {
            match self.write(batch, write, json).await? {
                Ok(done) => written.push(done),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(written))
    }

    async fn write<B: Backend>(&self, batch: &mut Batch<'_, B>, write: &ObjectWrite, json: &[u8]) -> Outcome {
        match write {
            ObjectWrite::Create { key, uid, created_at, content: _ } => {
                self.create(batch, New { key, uid: *uid, created_at: *created_at }, json).await
            }
            ObjectWrite::Update { key, expected, generation, content: _, labels_before } => {
                let effect = ChangeEffect::Modified { labels_before: labels_before.clone() };
                let change = Replacement { key, expected: *expected, generation: *generation, effect };
                self.update(batch, change, json).await
            }
            ObjectWrite::Delete { key, expected } => self.delete(batch, key, *expected).await,
        }
    }

    async fn create<B: Backend>(&self, batch: &mut Batch<'_, B>, new: New<'_>, json: &[u8]) -> Outcome {
        const GENERATION: u64 = 1;
        let New { key, uid, created_at } = new;
        let id = uid.to_string();
        let sealed = match self.key.seal(json, Purpose::Object(key, uid)) {
            Ok(sealed) => sealed,
            Err(source) => return Ok(Err(unsealed(StoreFailure::Sealing(source)))),
        };
        let used = usage(batch, &key.namespace).await?;
        if let Err(exceeded) = self.quota.check_new(used, bytes(sealed.len())) {
            return Ok(Err(WriteObjectsError::Quota(exceeded)));
        }
        let write = statement(statements::CREATE_OBJECT)
            .bind(key.kind.as_str())
            .bind(key.namespace.as_str())
            .bind(key.name.as_str())
            .bind(&id)
            .bind(GENERATION.cast_signed())
            .bind(created_at.unix_seconds())
            .bind(&*sealed)
            .bind(batch.next_place());
        let Some(row) = batch.row(write, &id).await? else { return Ok(Err(WriteObjectsError::Exists(key.clone()))) };
        let revision = revision_of(&row, "revision", &id)?;
        batch.changed(ChangeSubject::Object { key: key.clone(), uid }, ChangeEffect::Added);
        Ok(Ok(StoredObject {
            key: key.clone(),
            uid,
            generation: GENERATION,
            revision,
            created_at,
            content: ObjectContent::default(),
        }))
    }

    async fn update<B: Backend>(&self, batch: &mut Batch<'_, B>, change: Replacement<'_>, json: &[u8]) -> Outcome {
        let Replacement { key, expected, generation, effect } = change;
        let Some(state) = state(batch, key).await? else { return Ok(Err(WriteObjectsError::Gone(key.clone()))) };
        let (uid, found, created_at) = row::object_state(&state)?;
        if found != expected {
            return Ok(Err(WriteObjectsError::Conflict(key.clone())));
        }
        let sealed = match self.key.seal(json, Purpose::Object(key, uid)) {
            Ok(sealed) => sealed,
            Err(source) => return Ok(Err(unsealed(StoreFailure::Sealing(source)))),
        };
        let before = state.integer("content_bytes").map_err(Failure::column(key))?.unsigned_abs();
        let used = usage(batch, &key.namespace).await?;
        if let Err(exceeded) = self.quota.check_growth(used, bytes(sealed.len()).saturating_sub(before)) {
            return Ok(Err(WriteObjectsError::Quota(exceeded)));
        }
        let write = statement(statements::UPDATE_OBJECT)
            .bind(key.kind.as_str())
            .bind(key.namespace.as_str())
            .bind(key.name.as_str())
            .bind(expected.0.cast_signed())
            .bind(generation.cast_signed())
            .bind(&*sealed)
            .bind(batch.next_place());
        let Some(row) = batch.row(write, key).await? else { return Ok(Err(WriteObjectsError::Conflict(key.clone()))) };
        let revision = revision_of(&row, "revision", key)?;
        batch.changed(ChangeSubject::Object { key: key.clone(), uid }, effect);
        Ok(Ok(StoredObject {
            key: key.clone(),
            uid,
            generation,
            revision,
            created_at,
            content: ObjectContent::default(),
        }))
    }

    async fn delete<B: Backend>(
        &self,
        batch: &mut Batch<'_, B>,
        key: &ObjectKey,
        expected: Option<Revision>,
    ) -> Outcome {
        let write = statement(statements::DELETE_OBJECT)
            .bind(key.kind.as_str())
            .bind(key.namespace.as_str())
            .bind(key.name.as_str())
            .bind(expected.map(|revision| revision.0.cast_signed()))
            .bind(batch.next_place());
        let Some(row) = batch.row(write, key).await? else {
            let present = state(batch, key).await?.is_some();
            let refusal = if present { WriteObjectsError::Conflict } else { WriteObjectsError::Gone };
            return Ok(Err(refusal(key.clone())));
        };
        let revision = revision_of(&row, "deleted_revision", key)?;
        let (object, change) = row::removed_object(&row, revision, key, &self.key);
        match change {
            Some((subject, effect)) => batch.changed(subject, effect),
            None => batch.changed_without_entry(),
        }
        Ok(Ok(object))
    }
}

async fn state<B: Backend>(batch: &mut Batch<'_, B>, key: &ObjectKey) -> Result<Option<Row<B>>, Failure> {
    let read = statement(statements::OBJECT_STATE)
        .bind(key.kind.as_str())
        .bind(key.namespace.as_str())
        .bind(key.name.as_str());
    batch.row(read, key).await
}

fn unsealed(source: StoreFailure) -> WriteObjectsError {
    WriteObjectsError::Store(StoreError::Unavailable { action: "seal an object", source })
}

impl Operation for WriteObjects {
    type Output = Vec<StoredObject>;
    type Answer = Vec<StoredObject>;
    type Error = WriteObjectsError;
    const ACTION: &'static str = "write objects";

    async fn apply<B: Backend>(&self, batch: &mut Batch<'_, B>) -> Decision<Self> {
        if self.writes.len() <= 1 {
            // A refused statement has changed nothing.
            return self.write_all(batch).await;
        }
        let before = batch.changes();
        batch.control(statements::SAVEPOINT_WRITES).await?;
        let decided = self.write_all(batch).await?;
        if decided.is_err() {
            batch.control(statements::ROLLBACK_TO_SAVEPOINT_WRITES).await?;
            batch.forget_changes_after(before);
        }
        batch.control(statements::RELEASE_SAVEPOINT_WRITES).await?;
        Ok(decided)
    }

    fn committed(self, written: Vec<StoredObject>) -> Vec<StoredObject> {
        let whole = |((write, _), object)| match write {
            ObjectWrite::Create { content, .. } | ObjectWrite::Update { content, .. } => {
                StoredObject { content, ..object }
            }
            ObjectWrite::Delete { .. } => object,
        };
        self.writes.into_iter().zip(written).map(whole).collect()
    }
}
