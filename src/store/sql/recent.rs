//! Grants read since anything was last written: so that many redeemers of one grant, and those who ask for a finished one
//! again and again, cost one read and not one each.
//!
//! Sound because one process alone writes to a database (the lock file), and because what is kept is forgotten, all of it,
//! before the answer to any write is given.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::grant::{Grant, GrantId};

/// The most grants kept; each is well under a kilobyte unless its metadata is large, and then it is not kept.
const MOST: usize = 256;

/// What was read since the last write.
#[derive(Debug, Default)]
pub(in crate::store) struct Recent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many writes there were.
    age: Age,
    grants: HashMap<GrantId, Grant>,
}

/// A moment between two writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store) struct Age(u64);

impl Recent {
    /// The grant, if it was read since the last write; else the moment, to be given back with what is read now.
    pub(in crate::store) fn get(&self, id: GrantId) -> Result<Grant, Age> {
        let state = self.state();
        state.grants.get(&id).cloned().ok_or(state.age)
    }

    /// Keeps a grant whose reading began at `age`. If anything was written since, it may be out of date, and is not kept.
    pub(in crate::store) fn keep(&self, grant: &Grant, age: Age) {
        let mut state = self.state();
        if state.age == age && state.grants.len() < MOST && grant.metadata.is_empty() {
            state.grants.insert(grant.id, grant.clone());
        }
    }

    /// Something was written, or may have been.
    pub(in crate::store) fn forget(&self) {
        let mut state = self.state();
        state.age = Age(state.age.0.wrapping_add(1));
        state.grants.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic with the lock held leaves a map that is whole: each change of it is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
