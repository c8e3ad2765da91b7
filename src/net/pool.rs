//! A limited number of places of one kind, shared fairly between sources.
//!
//! The fair share of a source is the number of places in use, divided by the number of sources that hold or want one. Each
//! operation takes time logarithmic in the number of places.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use super::Source;

/// How far a connection has come; the less, the sooner it loses its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Nothing was read from it.
    Waiting,
    /// It is in its TLS handshake.
    Handshaking,
    /// It is ready for a request, and none is complete.
    Open,
    /// A request is being worked on or answered: it keeps its place.
    Working,
}

impl Stage {
    /// The stages in which a connection can lose its place, the least productive first.
    const UNPRODUCTIVE: [Self; 3] = [Self::Waiting, Self::Handshaking, Self::Open];
}

/// A place that is held. In the order in which places are lost: the least productive first, and then the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    pub(super) stage: Stage,
    /// The number of the connection, from 1 on in the order of acceptance.
    pub(super) id: u64,
    pub(super) accepted: Instant,
}

/// Whether there is a place for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// One is free.
    Free,
    /// One becomes free when the connection with this number loses its place.
    Taking(u64),
    /// None.
    None,
}

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PoolLimits {
    pub(super) places: u32,
    /// The most places of one source that is no user; without effect from `places` on.
    pub(super) per_address: u32,
    /// The most places of one user; without effect from `places` on.
    pub(super) per_user: u32,
    /// While no other source holds more, a connection younger than this does not lose its place.
    pub(super) least_age: Duration,
}

impl PoolLimits {
    /// Places that are limited only in all.
    pub(super) fn of(places: u32, least_age: Duration) -> Self {
        Self { places, per_address: places, per_user: places, least_age }
    }
}

/// The places of one kind.
#[derive(Debug)]
pub(super) struct Pool {
    limits: PoolLimits,
    in_use: u32,
    sources: BTreeMap<Source, Held>,
    /// The sources that have a claim to lose; the one that loses first is the last.
    order: BTreeSet<Rank>,
}

/// What one source holds.
#[derive(Debug, Default)]
struct Held {
    count: u32,
    /// Its claims, but for those at [`Stage::Working`].
    unproductive: BTreeSet<Claim>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    count: u32,
    first_to_go: Reverse<Claim>,
    source: Source,
}

impl Pool {
    pub(super) fn new(limits: PoolLimits) -> Self {
        Self { limits, in_use: 0, sources: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Whether no place is in use, and nothing is left of those that were.
    #[cfg(test)]
    pub(super) fn is_clear(&self) -> bool {
        self.in_use == 0 && self.sources.is_empty() && self.order.is_empty()
    }

    /// Whether `source` holds as many places as it may, although others are free.
    pub(super) fn is_at_limit(&self, source: &Source) -> bool {
        let limit = match source {
            Source::User(_) => self.limits.per_user,
            Source::Local | Source::Network(_) => self.limits.per_address,
            // Many clients at once; each is limited as soon as it is known.
            Source::LoadBalancers => self.limits.places,
        };
        limit < self.limits.places && self.held_by(source) >= limit
    }

    /// Whether there is a place for one more connection of `source`, and at whose cost.
    ///
    /// A source that holds two or more places more than `source` loses its least productive connection. Otherwise a
    /// connection goes only when it is old enough for an honest client to have finished: one of `source` itself, or one of
    /// a source that holds one more. A source with less than its share loses nothing.
    pub(super) fn room_for(&self, source: &Source, now: Instant) -> Room {
        let own = self.held_by(source);
        if self.is_at_limit(source) {
            return self.overdue(source, now);
        }
        if self.in_use < self.limits.places {
            return Room::Free;
        }
        let largest = self.order.last().filter(|largest| self.has_its_share(largest.count, own));
        if let Some(largest) = largest
            && largest.count >= own.saturating_add(2)
        {
            return Room::Taking(largest.first_to_go.0.id);
        }
        let of_its_own = if self.has_its_share(own, own) { self.overdue(source, now) } else { Room::None };
        match (of_its_own, largest) {
            (Room::None, Some(largest)) if largest.count > own => self.overdue(&largest.source, now),
            (room, _) => room,
        }
    }

    /// Gives `source` a place.
    pub(super) fn add(&mut self, source: &Source, claim: Claim) {
        self.in_use = self.in_use.saturating_add(1);
        self.change(source, |held| {
            held.count = held.count.saturating_add(1);
            held.list(claim);
        });
    }

    /// Takes a place back.
    pub(super) fn remove(&mut self, source: &Source, claim: Claim) {
        self.in_use = self.in_use.saturating_sub(1);
        self.change(source, |held| {
            held.count = held.count.saturating_sub(1);
            held.unproductive.remove(&claim);
        });
    }

    /// The same connection has come further, or back.
    pub(super) fn replace(&mut self, source: &Source, from: Claim, to: Claim) {
        self.change(source, |held| {
            held.unproductive.remove(&from);
            held.list(to);
        });
    }

    fn held_by(&self, source: &Source) -> u32 {
        self.sources.get(source).map_or(0, |held| held.count)
    }

    /// Whether a source with `count` places has its fair share, when one that holds `claimant` wants another.
    fn has_its_share(&self, count: u32, claimant: u32) -> bool {
        let newcomers = usize::from(claimant == 0);
        let sources = u64::try_from(self.sources.len() + newcomers).unwrap_or(u64::MAX);
        u64::from(count).saturating_mul(sources) >= u64::from(self.in_use)
    }

    /// The least productive connection of `source` that had time enough.
    fn overdue(&self, source: &Source, now: Instant) -> Room {
        let Some(held) = self.sources.get(source) else { return Room::None };
        let mut oldest = Stage::UNPRODUCTIVE.into_iter().filter_map(|stage| held.oldest(stage, now));
        let overdue = oldest.find(|claim| now.saturating_duration_since(claim.accepted) >= self.limits.least_age);
        overdue.map_or(Room::None, |claim| Room::Taking(claim.id))
    }

    fn change(&mut self, source: &Source, change: impl FnOnce(&mut Held)) {
        let held = self.sources.entry(source.clone()).or_default();
        if let Some(rank) = held.rank(source) {
            self.order.remove(&rank);
        }
        change(held);
        if let Some(rank) = held.rank(source) {
            self.order.insert(rank);
        }
        if held.count == 0 {
            self.sources.remove(source);
        }
    }
}

impl Held {
    fn list(&mut self, claim: Claim) {
        if claim.stage != Stage::Working {
            self.unproductive.insert(claim);
        }
    }

    fn oldest(&self, stage: Stage, now: Instant) -> Option<Claim> {
        let from = Claim { stage, id: 0, accepted: now };
        self.unproductive.range(from..).next().copied().filter(|claim| claim.stage == stage)
    }

    fn rank(&self, source: &Source) -> Option<Rank> {
        let first_to_go = Reverse(*self.unproductive.first()?);
        Some(Rank { count: self.count, first_to_go, source: source.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pool: &mut Pool, source: &Source, now: Instant) -> u64 {
        let mut id = 0;
        while pool.room_for(source, now) == Room::Free {
            id += 1;
            pool.add(source, Claim { stage: Stage::Open, id, accepted: now });
        }
        id
    }

    #[test]
    fn users_and_addresses_have_limits_of_their_own() {
        let limits = PoolLimits { places: 8, per_address: 3, per_user: 2, least_age: Duration::from_secs(3) };
        let (mut pool, now) = (Pool::new(limits), Instant::now());

        assert_eq!(filled(&mut pool, &Source::User("alice".into()), now), 2);
        assert_eq!(filled(&mut pool, &Source::Network([192, 0, 2, 1].into()), now), 3);
        assert_eq!(filled(&mut pool, &Source::LoadBalancers, now), 3, "as many as there are");

        assert!(pool.is_at_limit(&Source::User("alice".into())) && !pool.is_at_limit(&Source::Local));
        assert_eq!(pool.room_for(&Source::User("alice".into()), now + limits.least_age), Room::Taking(1));
    }

    #[test]
    fn a_limit_of_all_places_is_no_limit_of_a_source() {
        let (mut pool, now) = (Pool::new(PoolLimits::of(2, Duration::ZERO)), Instant::now());
        assert_eq!(filled(&mut pool, &Source::Local, now), 2);
        assert!(!pool.is_at_limit(&Source::Local));
    }
}
