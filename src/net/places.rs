//! The places of one listener: its connections, and among them the handshakes and the unauthenticated.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{
    Source,
    pool::{Claim, Pool, PoolLimits, Room, Stage},
};
use crate::metrics::Rejection;

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlaceLimits {
    pub(super) connections: PoolLimits,
    pub(super) handshakes: u32,
    pub(super) unauthenticated: u32,
}

/// The connections of one listener, each with a value that tells it when it has lost its place.
#[derive(Debug)]
pub(super) struct Places<T> {
    connections: Pool,
    handshakes: Pool,
    unauthenticated: Pool,
    members: BTreeMap<u64, Member<T>>,
    last_id: u64,
}

#[derive(Debug)]
struct Member<T> {
    source: Source,
    claim: Claim,
    /// How many requests are being worked on.
    requests: u32,
    is_unauthenticated: bool,
    value: T,
}

/// Why a connection has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// Another connection has taken it; [`serve`](super::serve()) counts that and closes this one.
    Lost,
    /// There was none for it. The connection is to be closed, and counted.
    Refused(Rejection),
}

/// The connection that has lost its place, and the kind of place that ran out.
pub(super) type Loser<T> = Option<(T, Rejection)>;

impl<T> Places<T> {
    pub(super) fn new(limits: PlaceLimits) -> Self {
        let pool = |places| Pool::new(PoolLimits::of(places, limits.connections.least_age));
        Self {
            connections: Pool::new(limits.connections),
            handshakes: pool(limits.handshakes),
            unauthenticated: pool(limits.unauthenticated),
            members: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// Gives a connection a place, at [`Stage::Waiting`], and returns its number.
    ///
    /// # Errors
    /// [`Rejection::Connections`] or [`Rejection::Peer`].
    pub(super) fn admit(&mut self, source: Source, now: Instant, value: T) -> Result<(u64, Loser<T>), Rejection> {
        let is_at_limit = self.connections.is_at_limit(&source);
        let why = if is_at_limit { Rejection::Peer } else { Rejection::Connections };
        let loser = match self.connections.room_for(&source, now) {
            Room::Free => None,
            Room::Taking(id) => self.leave(id).map(|value| (value, why)),
            Room::None => return Err(why),
        };
        self.last_id = self.last_id.saturating_add(1);
        let claim = Claim { stage: Stage::Waiting, id: self.last_id, accepted: now };
        self.connections.add(&source, claim);
        self.members.insert(claim.id, Member { source, claim, requests: 0, is_unauthenticated: false, value });
        Ok((claim.id, loser))
    }

    /// The connection begins its handshake.
    ///
    /// # Errors
    /// [`NoPlace`], with [`Rejection::Handshakes`].
    pub(super) fn begin_handshake(&mut self, id: u64, now: Instant) -> Result<Loser<T>, NoPlace> {
        let member = self.members.get(&id).ok_or(NoPlace::Lost)?;
        let loser = match self.handshakes.room_for(&member.source, now) {
            Room::Free => None,
            Room::Taking(id) => self.leave(id).map(|value| (value, Rejection::Handshakes)),
            Room::None => return Err(NoPlace::Refused(Rejection::Handshakes)),
        };
        self.move_to(id, Stage::Handshaking);
        Ok(loser)
    }

    /// The connection is ready for requests.
    pub(super) fn open(&mut self, id: u64) {
        self.move_to(id, Stage::Open);
    }

    /// The connection has no user, and is one of those that have few places.
    ///
    /// # Errors
    /// [`NoPlace`], with [`Rejection::Peer`].
    pub(super) fn unauthenticated(&mut self, id: u64, now: Instant) -> Result<Loser<T>, NoPlace> {
        let member = self.members.get(&id).ok_or(NoPlace::Lost)?;
        let loser = match self.unauthenticated.room_for(&member.source, now) {
            Room::Free => None,
            Room::Taking(id) => self.leave(id).map(|value| (value, Rejection::Peer)),
            Room::None => return Err(NoPlace::Refused(Rejection::Peer)),
        };
        if let Some(member) = self.members.get_mut(&id) {
            member.is_unauthenticated = true;
            self.unauthenticated.add(&member.source, member.claim);
        }
        Ok(loser)
    }

    /// The connection belongs to another source than it seemed. It keeps its place, except when that source has its limit
    /// of connections.
    ///
    /// # Errors
    /// [`NoPlace`], with [`Rejection::Peer`].
    pub(super) fn identify(&mut self, id: u64, source: Source, now: Instant) -> Result<Loser<T>, NoPlace> {
        let member = self.members.get(&id).ok_or(NoPlace::Lost)?;
        if member.source == source {
            return Ok(None);
        }
        let loser = if self.connections.is_at_limit(&source) {
            match self.connections.room_for(&source, now) {
                Room::Free => None,
                Room::Taking(id) => self.leave(id).map(|value| (value, Rejection::Peer)),
                Room::None => return Err(NoPlace::Refused(Rejection::Peer)),
            }
        } else {
            None
        };
        if let Some(member) = self.members.get_mut(&id) {
            let before = std::mem::replace(&mut member.source, source);
            for pool in pools(&mut self.connections, &mut self.handshakes, &mut self.unauthenticated, member) {
                pool.remove(&before, member.claim);
                pool.add(&member.source, member.claim);
            }
        }
        Ok(loser)
    }

    /// A request of the connection is complete: it does not lose its place before [`end_request`](Self::end_request).
    ///
    /// # Errors
    /// [`NoPlace::Lost`].
    pub(super) fn begin_request(&mut self, id: u64) -> Result<(), NoPlace> {
        let member = self.members.get_mut(&id).ok_or(NoPlace::Lost)?;
        member.requests = member.requests.saturating_add(1);
        self.move_to(id, Stage::Working);
        Ok(())
    }

    /// A request of the connection was answered.
    pub(super) fn end_request(&mut self, id: u64) {
        let Some(member) = self.members.get_mut(&id) else { return };
        member.requests = member.requests.saturating_sub(1);
        if member.requests == 0 {
            self.move_to(id, Stage::Open);
        }
    }

    /// Takes the connection's place back; `None` if it has lost it.
    pub(super) fn leave(&mut self, id: u64) -> Option<T> {
        let member = self.members.remove(&id)?;
        for pool in pools(&mut self.connections, &mut self.handshakes, &mut self.unauthenticated, &member) {
            pool.remove(&member.source, member.claim);
        }
        Some(member.value)
    }

    /// Whether nothing is left of connections that have gone.
    #[cfg(test)]
    pub(super) fn is_clear(&self) -> bool {
        let pools = [&self.connections, &self.handshakes, &self.unauthenticated];
        self.members.is_empty() && pools.into_iter().all(Pool::is_clear)
    }

    fn move_to(&mut self, id: u64, stage: Stage) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let (from, to) = (member.claim, Claim { stage, ..member.claim });
        member.claim = to;
        self.connections.replace(&member.source, from, to);
        if member.is_unauthenticated {
            self.unauthenticated.replace(&member.source, from, to);
        }
        match (from.stage == Stage::Handshaking, stage == Stage::Handshaking) {
            (false, true) => self.handshakes.add(&member.source, to),
            (true, false) => self.handshakes.remove(&member.source, from),
            (false, false) | (true, true) => {}
        }
    }
}

/// The pools in which the connection has a place.
fn pools<'a, T>(
    connections: &'a mut Pool,
    handshakes: &'a mut Pool,
    unauthenticated: &'a mut Pool,
    member: &Member<T>,
) -> impl Iterator<Item = &'a mut Pool> {
    let handshakes = Some(handshakes).filter(|_| member.claim.stage == Stage::Handshaking);
    let unauthenticated = Some(unauthenticated).filter(|_| member.is_unauthenticated);
    [connections].into_iter().chain(handshakes).chain(unauthenticated)
}
