//! A change: which object, and what happened to it.

use uuid::Uuid;

use crate::{
    grant::{Grant, GrantId, GrantName, Namespace, Revision},
    store::{Labels, ObjectKey, StoredObject},
};

/// One committed change.
#[derive(Debug)]
pub struct Change {
    /// Its revision; no other change has it.
    pub revision: Revision,
    /// What changed.
    pub subject: ChangeSubject,
    /// What happened to it.
    pub effect: ChangeEffect,
}

/// Which object changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSubject {
    /// A grant.
    Grant {
        /// Its uid.
        id: GrantId,
        /// Where it is.
        namespace: Namespace,
        /// What it is called.
        name: GrantName,
    },
    /// Any other object.
    Object {
        /// Its kind, namespace and name.
        key: ObjectKey,
        /// Its uid.
        uid: Uuid,
    },
}

/// What happened to it.
#[derive(Debug)]
pub enum ChangeEffect {
    /// It was made.
    Added,
    /// It was changed.
    Modified {
        /// The labels it had before, when they changed.
        labels_before: Option<Labels>,
    },
    /// It was removed.
    Removed(LastState),
}

/// What a removed object was, with the revision of its removal.
#[derive(Debug)]
pub enum LastState {
    /// A grant.
    Grant(Box<Grant>),
    /// Any other object.
    Object(Box<StoredObject>),
    /// Its row could not be read. A row whose namespace, name or uid could not be read has no entry at all: no list
    /// has shown it either.
    Unreadable,
}

/// Why the changes since a revision cannot be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangesError {
    /// Entries of some of them were dropped.
    TooOld {
        /// The oldest revision after which no entry is missing.
        oldest: Revision,
    },
    /// The store has not given this revision yet: the database was restored from a backup, or is another one.
    Future {
        /// The newest revision.
        head: Revision,
    },
}

/// A change that is not committed yet: its revision is that of the store before its transaction plus its place in it.
#[derive(Debug)]
pub(in crate::store) struct PendingChange {
    /// The place of the change in its transaction, from 1.
    pub(in crate::store) place: u32,
    /// What changed.
    pub(in crate::store) subject: ChangeSubject,
    /// How.
    pub(in crate::store) effect: ChangeEffect,
}

impl PendingChange {
    pub(super) fn after(self, before: Revision) -> Change {
        let Self { place, subject, mut effect } = self;
        let revision = Revision(before.0 + u64::from(place));
        match &mut effect {
            ChangeEffect::Removed(LastState::Grant(grant)) => grant.revision = revision,
            ChangeEffect::Removed(LastState::Object(object)) => object.revision = revision,
            ChangeEffect::Removed(LastState::Unreadable)
            | ChangeEffect::Added
            | ChangeEffect::Modified { labels_before: _ } => {}
        }
        Change { revision, subject, effect }
    }
}

/// What one transaction changed.
#[derive(Debug)]
pub(in crate::store) struct Committed {
    /// The store's revision before it.
    pub(in crate::store) before: Revision,
    /// The store's revision after it.
    pub(in crate::store) head: Revision,
    /// The changes to be published, in order. A change may have no entry; its revision is passed over then.
    pub(in crate::store) pending: Vec<PendingChange>,
}
