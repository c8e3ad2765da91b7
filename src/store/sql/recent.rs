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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        grant::{Allowance, CodeOrigin, GrantMetadata, GrantTerms, Revision},
        time::Timestamp,
    };

    fn grant() -> Grant {
        Grant {
            id: GrantId::random(),
            namespace: "west".parse().unwrap(),
            name: "offer".parse().unwrap(),
            code: "secret".parse().unwrap(),
            code_origin: CodeOrigin::Given,
            allowance: Allowance::new(1, 0).unwrap(),
            terms: GrantTerms::default(),
            expires_at: Timestamp::from_unix_seconds(2_000),
            created_at: Timestamp::from_unix_seconds(1_000),
            last_redeemed_at: None,
            generation: 1,
            revision: Revision(1),
            metadata: GrantMetadata::default(),
        }
    }

    #[test]
    fn a_grant_is_kept_until_the_next_write_and_not_when_it_was_read_before_that() {
        let (recent, grant) = (Recent::new(false), grant());
        let before = recent.get(grant.id).unwrap_err();
        recent.keep(&grant, before);
        assert!(recent.get(grant.id).is_ok());

        recent.forget();
        let after = recent.get(grant.id).unwrap_err();
        recent.keep(&grant, before);
        assert!(recent.get(grant.id).is_err());

        recent.keep(&grant, after);
        assert!(recent.get(grant.id).is_ok());
    }

    #[test]
    fn few_grants_are_kept_and_none_with_metadata() {
        let recent = Recent::new(false);
        let mut large = grant();
        large.metadata.labels.insert("key".to_owned(), "value".to_owned());
        let age = recent.get(large.id).unwrap_err();
        recent.keep(&large, age);
        assert!(recent.get(large.id).is_err());

        let grants: Vec<Grant> = (0..=MOST).map(|_| grant()).collect();
        grants.iter().for_each(|grant| recent.keep(grant, age));
        assert_eq!(grants.iter().filter(|grant| recent.get(grant.id).is_ok()).count(), MOST);
    }

    #[test]
    fn nothing_is_kept_while_others_may_write() {
        let (recent, grant) = (Recent::new(true), grant());
        let age = recent.get(grant.id).unwrap_err();
        recent.keep(&grant, age);
        assert!(recent.get(grant.id).is_err());
    }
}
