//! What has changed lately, in the order of revisions: the ring that watches are served from.
//!
//! An entry says which object changed, not what is in it now: whoever wants to know reads it. So a redemption, which is
//! such a change, pays for one small entry, whether anybody watches or not.

use std::sync::Arc;

use uuid::Uuid;

use super::{Labels, ObjectKey, StoredObject};
use crate::grant::{Grant, GrantId, GrantName, Namespace, Revision};

/// One committed change.
#[derive(Debug)]
pub struct Change {
    /// Its revision; no other change has it.
    pub revision: Revision,
    /// What changed.
    pub subject: ChangeSubject,
    /// How.
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
        /// Which.
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
    /// Its row could not be read.
    Unreadable,
}

/// Why changes cannot be told from a revision on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangesError {
    /// Some of them are forgotten already.
    TooOld {
        /// The oldest revision from which nothing is missing.
        oldest: Revision,
    },
    /// The revision is none that this store has given yet: it was restored, or is another one.
    Future {
        /// The newest.
        head: Revision,
    },
}

/// The ring. Changes reach it in the order of their revisions, each after it is durable.
#[derive(Debug, Default)]
pub struct Changes {}

impl Changes {
    /// Every change after `revision` that is still known, in order; none when it is the newest.
    ///
    /// # Errors
    /// [`ChangesError`] when that would leave a gap.
    pub fn since(&self, revision: Revision) -> Result<Vec<Arc<Change>>, ChangesError> {
        let _ = revision;
        Ok(Vec::new())
    }

    /// The newest revision.
    pub fn head(&self) -> Revision {
        Revision(1)
    }

    /// Waits until there is a change after `revision`.
    pub async fn wait_past(&self, revision: Revision) {
        let _ = revision;
        std::future::pending().await
    }
}
