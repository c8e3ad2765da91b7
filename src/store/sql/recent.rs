//! A cache of the grants that were read since the last write: many redemptions of one grant, or many requests for an
//! expired one, then cost one read together.
//!
//! It is never out of date: where one process alone writes to a database (the lock file), every write empties the whole cache
//! before it is answered; where several do, nothing is put in.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::grant::{Grant, GrantId};

/// The most grants in the cache. Each is well under a kilobyte: one with large metadata is not put in.
const MOST: usize = 256;

/// The grants that were read since the last write.
#[derive(Debug)]
pub(in crate::store) struct Recent {
    /// The most grants in it.
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many writes there were.
    age: Age,
    grants: HashMap<GrantId, Grant>,
}

/// The number of writes before a read began: equal ages mean that nothing was written in between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store) struct Age(u64);

impl Recent {
    /// An empty cache, which stays empty when other processes write to the database as well.
    pub(in crate::store) fn new(is_shared: bool) -> Self {
        Self { most: if is_shared { 0 } else { MOST }, state: Mutex::default() }
    }

    /// The grant, if it was read since the last write; else the age, to be given back with the grant that
    /// the caller reads now.
    pub(in crate::store) fn get(&self, id: GrantId) -> Result<Grant, Age> {
        let state = self.state();
        state.grants.get(&id).cloned().ok_or(state.age)
    }

    /// Keeps a grant whose reading began at `age`. If anything was written since, it may be out of date, and is not kept.
    pub(in crate::store) fn keep(&self, grant: &Grant, age: Age) {
        let mut state = self.state();
        if state.age == age && state.grants.len() < self.most && grant.metadata.is_empty() {
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
        // A poisoned lock guards sound data: each change of the map is one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
