//! Places against a model that looks at every connection each time, and what must hold whatever happens.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;
use tokio::time::Instant;

use crate::{
    metrics::Rejection,
    net::{
        Source,
        places::{Loser, NoPlace, PlaceLimits, Places},
        pool::{PoolLimits, Stage},
    },
};

const LEAST_AGE: Duration = Duration::from_secs(3);
const CONNECTIONS: PoolLimits = PoolLimits { places: 8, per_address: 6, per_user: 1, least_age: LEAST_AGE };
const LIMITS: PlaceLimits = PlaceLimits { connections: CONNECTIONS, handshakes: 4, unauthenticated: 3 };

fn source(number: u8) -> Source {
    Source::Network([192, 0, 2, number].into())
}

#[derive(Debug, Clone, PartialEq)]
struct Member {
    id: u64,
    source: Source,
    stage: Stage,
    requests: u32,
    is_unauthenticated: bool,
    accepted: Instant,
}

/// The same rules, over a list.
#[derive(Debug, Default)]
struct Model {
    members: Vec<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Connections,
    Handshakes,
    Unauthenticated,
}

impl Kind {
    fn limit(self) -> usize {
        let limit = match self {
            Self::Connections => CONNECTIONS.places,
            Self::Handshakes => LIMITS.handshakes,
            Self::Unauthenticated => LIMITS.unauthenticated,
        };
        usize::try_from(limit).unwrap()
    }

    fn limit_per_source(self) -> usize {
        match self {
            Self::Connections => usize::try_from(CONNECTIONS.per_address).unwrap(),
            Self::Handshakes | Self::Unauthenticated => usize::MAX,
        }
    }

    fn has(self, member: &Member) -> bool {
        match self {
            Self::Connections => true,
            Self::Handshakes => member.stage == Stage::Handshaking,
            Self::Unauthenticated => member.is_unauthenticated,
        }
    }
}

impl Model {
    fn of(&self, kind: Kind) -> Vec<&Member> {
        self.members.iter().filter(|member| kind.has(member)).collect()
    }

    fn held(&self, kind: Kind, source: &Source) -> usize {
        self.of(kind).iter().filter(|member| member.source == *source).count()
    }

    /// Which connection a new one of `source` takes the place of: `Ok(None)` if it needs none, `Err` if it gets no place.
    fn room(&self, kind: Kind, source: &Source, now: Instant) -> Result<Option<u64>, ()> {
        let unproductive = |of: &Source| {
            let mut found: Vec<_> = self.of(kind).into_iter().filter(|member| member.source == *of).collect();
            found.retain(|member| member.stage != Stage::Working);
            found.sort_by_key(|member| (member.stage, member.id));
            found
        };
        let overdue = |of: &Source| {
            let old = unproductive(of).into_iter().find(|member| now - member.accepted >= LEAST_AGE);
            old.map(|member| Some(member.id)).ok_or(())
        };
        let own = self.held(kind, source);
        if own >= kind.limit_per_source() {
            return overdue(source);
        }
        if self.of(kind).len() < kind.limit() {
            return Ok(None);
        }
        let mut sources: BTreeSet<Source> = self.of(kind).iter().map(|member| member.source.clone()).collect();
        sources.insert(source.clone());
        let has_its_share = |of: &Source| self.held(kind, of) * sources.len() >= self.of(kind).len();
        let largest = sources.iter().filter_map(|of| Some((of, *unproductive(of).first()?)));
        let largest =
            largest.max_by_key(|(of, first)| (self.held(kind, of), std::cmp::Reverse((first.stage, first.id))));
        let largest = largest.filter(|(of, _)| has_its_share(of));
        if let Some((of, first)) = largest
            && self.held(kind, of) >= own + 2
        {
            return Ok(Some(first.id));
        }
        let of_its_own = if own > 0 && has_its_share(source) { overdue(source) } else { Err(()) };
        match largest {
            Some((of, _)) if of_its_own.is_err() && self.held(kind, of) > own => overdue(of),
            Some(_) | None => of_its_own,
        }
    }

    /// What must hold when `loser` goes in favour of `source`, whatever the rule in detail.
    fn check_loss(&self, kind: Kind, loser: u64, source: &Source, now: Instant) {
        let lost = self.members.iter().find(|member| member.id == loser).expect("it had a place");
        assert_ne!(lost.stage, Stage::Working, "a request that is worked on was lost");
        let (of, own) = (self.held(kind, &lost.source), self.held(kind, source));
        let is_old = now - lost.accepted >= LEAST_AGE;
        assert!(of >= own + 2 || is_old, "cut early in favour of a source that does not hold less");
        if own >= kind.limit_per_source() {
            return assert_eq!(lost.source, *source, "a source at its limit took a place of another");
        }
        let mut sources: BTreeSet<_> = self.of(kind).iter().map(|member| member.source.clone()).collect();
        sources.insert(source.clone());
        assert!(of * sources.len() >= self.of(kind).len(), "a source lost a place that was within its share");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Admit(u8),
    Handshake(usize),
    Open(usize),
    Unauthenticated(usize),
    Identify(usize, u8),
    BeginRequest(usize),
    EndRequest(usize),
    Leave(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0_usize..12;
    let step = prop_oneof![
        6 => (0_u8..4).prop_map(Step::Admit),
        4 => which.clone().prop_map(Step::Handshake),
        2 => which.clone().prop_map(Step::Open),
        2 => which.clone().prop_map(Step::Unauthenticated),
        1 => (which.clone(), 0_u8..4).prop_map(|(which, source)| Step::Identify(which, source)),
        2 => which.clone().prop_map(Step::BeginRequest),
        1 => which.clone().prop_map(Step::EndRequest),
        1 => which.prop_map(Step::Leave),
        2 => (0_u64..2500).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..120)
}

/// The places and the model, which take the same steps.
struct Both {
    places: Places<u64>,
    model: Model,
    now: Instant,
    last_id: u64,
}

impl Both {
    fn take(&mut self, step: &Step) {
        match *step {
            Step::Wait(milliseconds) => self.now += Duration::from_millis(milliseconds),
            Step::Admit(number) => self.admit(source(number)),
            Step::Handshake(which) => self.change(which, |both, member| {
                // As in the accept loop: once, before anything else.
                if member.stage == Stage::Waiting {
                    let taken = both.places.begin_handshake(member.id, both.now);
                    if both.agree(taken, Kind::Handshakes, &member, &member.source) {
                        both.member(member.id).stage = Stage::Handshaking;
                    }
                }
            }),
            Step::Unauthenticated(which) => self.change(which, |both, member| {
                if !member.is_unauthenticated {
                    let taken = both.places.unauthenticated(member.id, both.now);
                    if both.agree(taken, Kind::Unauthenticated, &member, &member.source) {
                        both.member(member.id).is_unauthenticated = true;
                    }
                }
            }),
            Step::Open(which) => self.change(which, |both, member| {
                if member.stage < Stage::Open {
                    both.places.open(member.id);
                    both.member(member.id).stage = Stage::Open;
                }
            }),
            Step::Identify(which, number) => self.change(which, |both, member| both.identify(&member, source(number))),
            Step::BeginRequest(which) => self.change(which, |both, member| {
                both.places.begin_request(member.id).unwrap();
                let member = both.member(member.id);
                (member.stage, member.requests) = (Stage::Working, member.requests + 1);
            }),
            Step::EndRequest(which) => self.change(which, |both, member| {
                if member.requests > 0 {
                    both.places.end_request(member.id);
                    let member = both.member(member.id);
                    member.requests -= 1;
                    member.stage = if member.requests == 0 { Stage::Open } else { Stage::Working };
                }
            }),
            Step::Leave(which) => self.change(which, |both, member| {
                assert_eq!(both.places.leave(member.id), Some(member.id));
                both.model.members.retain(|other| other.id != member.id);
            }),
        }
    }

    fn admit(&mut self, source: Source) {
        self.last_id += 1;
        let expected = self.model.room(Kind::Connections, &source, self.now);
        match self.places.admit(source.clone(), self.now, self.last_id) {
            Err(_) => {
                assert_eq!(expected, Err(()));
                self.last_id -= 1;
            }
            Ok((id, loser)) => {
                assert_eq!(id, self.last_id);
                self.lose(expected, loser, Kind::Connections, &source);
                let (stage, accepted) = (Stage::Waiting, self.now);
                let member = Member { id, source, stage, requests: 0, is_unauthenticated: false, accepted };
                self.model.members.push(member);
            }
        }
    }

    fn identify(&mut self, member: &Member, source: Source) {
        if member.source == source {
            return;
        }
        let taken = self.places.identify(member.id, source.clone(), self.now);
        let is_at_limit = self.model.held(Kind::Connections, &source) >= Kind::Connections.limit_per_source();
        let moved = if is_at_limit {
            self.agree(taken, Kind::Connections, member, &source)
        } else {
            assert_eq!(taken, Ok(None));
            true
        };
        if moved {
            self.member(member.id).source = source;
        }
    }

    /// Whether the connection got a place, of which both are of one opinion.
    fn agree(&mut self, taken: Result<Loser<u64>, NoPlace>, kind: Kind, member: &Member, source: &Source) -> bool {
        let expected = self.model.room(kind, source, self.now);
        match taken {
            Err(error) => {
                assert!(matches!(error, NoPlace::Refused(_)), "{member:?} has its place");
                assert_eq!(expected, Err(()));
                false
            }
            Ok(loser) => {
                self.lose(expected, loser, kind, source);
                self.model.members.iter().any(|other| other.id == member.id)
            }
        }
    }

    fn lose(&mut self, expected: Result<Option<u64>, ()>, loser: Loser<u64>, kind: Kind, source: &Source) {
        let loser = loser.map(|(id, _)| id);
        assert_eq!(expected, Ok(loser));
        if let Some(loser) = loser {
            self.model.check_loss(kind, loser, source, self.now);
            self.model.members.retain(|member| member.id != loser);
        }
    }

    fn change(&mut self, which: usize, change: impl FnOnce(&mut Self, Member)) {
        if let Some(member) = self.model.members.get(which).cloned() {
            change(self, member);
        }
    }

    fn member(&mut self, id: u64) -> &mut Member {
        self.model.members.iter_mut().find(|member| member.id == id).unwrap()
    }
}

proptest! {
    #[test]
    fn places_are_given_and_taken_as_the_model_says(steps in steps()) {
        let (now, model) = (Instant::now(), Model::default());
        let mut both = Both { places: Places::new(LIMITS), model, now, last_id: 0 };
        for step in &steps {
            both.take(step);
            for kind in [Kind::Connections, Kind::Handshakes, Kind::Unauthenticated] {
                prop_assert!(both.model.of(kind).len() <= kind.limit());
            }
        }
        for member in both.model.members {
            prop_assert_eq!(both.places.leave(member.id), Some(member.id));
        }
        prop_assert!(both.places.is_clear(), "something is left of connections that have gone");
    }
}

/// Places of which `count` are held by one source, at this stage.
fn held_by_one(count: u32, stage: Stage, now: Instant) -> Places<u64> {
    let connections = PoolLimits::of(count, LEAST_AGE);
    let mut places = Places::new(PlaceLimits { connections, handshakes: count, ..LIMITS });
    for number in 1..=u64::from(count) {
        let (id, loser) = places.admit(source(1), now, number).unwrap();
        assert_eq!(loser, None);
        match stage {
            Stage::Waiting => {}
            Stage::Handshaking => assert_eq!(places.begin_handshake(id, now), Ok(None)),
            Stage::Open => places.open(id),
            Stage::Working => places.begin_request(id).unwrap(),
        }
    }
    places
}

#[test]
fn one_source_that_holds_everything_loses_its_oldest_to_every_other_source_at_once() {
    for stage in [Stage::Waiting, Stage::Handshaking, Stage::Open] {
        let now = Instant::now();
        let mut places = held_by_one(100, stage, now);
        for number in 2..=51_u8 {
            let (_, loser) = places.admit(source(number), now, 0).unwrap();
            assert_eq!(loser, Some((u64::from(number) - 1, Rejection::Connections)));
        }
    }
}

#[test]
fn the_newcomers_have_their_share_and_the_first_source_cannot_take_it_back() {
    let now = Instant::now();
    let mut places = held_by_one(100, Stage::Waiting, now);
    let honest: Vec<_> = (0..50).map(|_| places.admit(source(2), now, 1000).unwrap().0).collect();

    let later = now + 10 * LEAST_AGE;
    for _ in 0..1000 {
        let (_, loser) = places.admit(source(1), later, 2000).unwrap_or((0, None));
        assert_ne!(loser.map(|(value, _)| value), Some(1000));
    }

    assert!(honest.into_iter().all(|id| places.leave(id).is_some()));
}

#[test]
fn behind_one_address_the_least_productive_that_had_its_time_goes_first_and_else_the_newest() {
    let now = Instant::now();
    let mut places = held_by_one(4, Stage::Waiting, now);
    places.begin_handshake(1, now).unwrap();
    places.open(2);

    let young = now + LEAST_AGE - Duration::from_millis(1);
    assert_eq!(places.admit(source(1), young, 5), Err(Rejection::Connections));
    let mut gone = Vec::new();
    while let Ok((_, Some((loser, _)))) = places.admit(source(1), now + LEAST_AGE, 5) {
        gone.push(loser);
    }

    assert_eq!(gone, [3, 4, 1, 2]);
}

#[test]
fn requests_that_are_worked_on_are_never_cut_but_a_source_with_less_is_not_cut_for_them_either() {
    let now = Instant::now();
    let mut places = held_by_one(4, Stage::Working, now);
    assert_eq!(places.admit(source(2), now + 2 * LEAST_AGE, 5), Err(Rejection::Connections));

    places.leave(1).unwrap();
    places.admit(source(2), now, 5).unwrap();
    assert_eq!(places.admit(source(3), now + 2 * LEAST_AGE, 6), Err(Rejection::Connections));
    places.end_request(2);
    assert_eq!(places.admit(source(3), now, 6).unwrap().1, Some((2, Rejection::Connections)));
}

#[test]
fn a_source_at_its_limit_gets_a_place_only_for_one_of_its_own() {
    let now = Instant::now();
    let mut places = Places::new(PlaceLimits { connections: PoolLimits { per_address: 2, ..CONNECTIONS }, ..LIMITS });
    let value = |number: u8| (number, source(number));
    for (number, source) in [value(1), value(1), value(2)] {
        places.admit(source, now, u64::from(number)).unwrap();
    }

    assert_eq!(places.admit(source(1), now, 3), Err(Rejection::Peer));
    assert_eq!(places.identify(3, source(1), now), Err(NoPlace::Refused(Rejection::Peer)));
    let loser = places.admit(source(1), now + LEAST_AGE, 3).unwrap().1;
    assert_eq!(loser, Some((1, Rejection::Peer)));
}
