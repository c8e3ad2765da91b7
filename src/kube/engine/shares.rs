//! Places for work on requests, shared between users: however many one user takes, some are left for the others.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A stranger's place counts as this many: all strangers together get a ninth of the places.
const WEIGHT_OF_A_STRANGER: usize = 8;

/// Who takes a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sharer {
    /// The owner of the server, who shares with nobody.
    Owner,
    /// The user of this name.
    User(String),
    /// All clients without a user.
    Stranger,
}

/// The places of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Shares(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: BTreeMap<Sharer, usize>,
}

/// A place, which is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shares: Shares,
    sharer: Sharer,
}

impl Shares {
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Inner { places, taken: Mutex::default() }))
    }

    /// A place, or `None` if there is none for this sharer.
    ///
    /// A user gets one while more places are free than the user has: alone at most half of all places, and of two who take
    /// as many as they can, each a third. So a user who has none always gets one, unless very many users share.
    pub(crate) fn take(&self, sharer: Sharer) -> Option<Place> {
        let mut taken = self.taken();
        let own = taken.by.get(&sharer).copied().unwrap_or_default();
        let counted = match sharer {
            Sharer::Owner => 0,
            Sharer::User(_) => own,
            Sharer::Stranger => own.saturating_mul(WEIGHT_OF_A_STRANGER),
        };
        if counted >= self.0.places.saturating_sub(taken.all) {
            return None;
        }
        taken.all = taken.all.saturating_add(1);
        taken.by.insert(sharer.clone(), own.saturating_add(1));
        Some(Place { shares: self.clone(), sharer })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing panics while it holds the lock.
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        taken.all = taken.all.saturating_sub(1);
        match taken.by.get_mut(&self.sharer) {
            Some(own) if *own > 1 => *own -= 1,
            Some(_) | None => drop(taken.by.remove(&self.sharer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Sharer {
        Sharer::User(name.to_owned())
    }

    /// As many places as this sharer gets.
    fn all_of(shares: &Shares, sharer: &Sharer) -> Vec<Place> {
        std::iter::from_fn(|| shares.take(sharer.clone())).collect()
    }

    #[test]
    fn one_user_takes_at_most_half_and_each_further_one_gets_a_share() {
        let shares = Shares::new(32);
        let held: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| all_of(&shares, &user(name))).collect();
        assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), [16, 8, 4, 2]);
    }

    #[test]
    fn strangers_get_few_places_together_and_leave_the_rest() {
        let shares = Shares::new(32);
        let strangers = all_of(&shares, &Sharer::Stranger);
        assert_eq!(strangers.len(), 4);
        assert_eq!(all_of(&shares, &user("a")).len(), 14);
    }

    #[test]
    fn the_owner_may_have_them_all() {
        let shares = Shares::new(32);
        assert_eq!(all_of(&shares, &Sharer::Owner).len(), 32);
    }

    #[test]
    fn a_place_that_is_given_back_is_free_again_and_nothing_is_kept_of_its_user() {
        let shares = Shares::new(2);
        for _ in 0..3 {
            let place = shares.take(user("a")).unwrap();
            assert!(shares.take(user("a")).is_none());
            drop(place);
        }
        assert!(shares.taken().by.is_empty());
    }
}
