//! Permits that namespaces share fairly: what one namespace asks for never keeps another one waiting for long.
//!
//! A permit that becomes free goes to the namespace that holds the fewest, and among equals to the one that has waited
//! longest since its last. One namespace never holds all permits, so that another one gets one at once.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::grant::Namespace;

/// How many permits there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitLimits {
    /// In all.
    pub total: usize,
    /// For one namespace; less than `total`.
    pub per_namespace: usize,
    /// For one host.
    pub per_host: usize,
}

/// Permits for calls to hosts, on behalf of namespaces.
#[derive(Debug, Clone)]
pub struct FairPermits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: PermitLimits,
    state: Mutex<State>,
}

/// What is in use, and who waits. Whoever waits cannot have a permit at present: that is tried whenever one becomes free.
#[derive(Debug, Default)]
struct State {
    in_use: usize,
    /// Of the namespaces that hold a permit or wait.
    namespaces: HashMap<String, Share>,
    /// How many permits calls to these hosts hold.
    hosts: HashMap<String, usize>,
    /// Counts the permits given, as a clock.
    given: u64,
}

#[derive(Debug, Default)]
struct Share {
    in_use: usize,
    /// When it was given a permit last.
    last: u64,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    host: String,
    ready: oneshot::Sender<FairPermit>,
}

/// The permit for one call, given back when dropped.
#[derive(Debug)]
pub struct FairPermit {
    shared: Arc<Shared>,
    namespace: String,
    host: String,
}

impl FairPermits {
    /// With these limits.
    pub fn new(limits: PermitLimits) -> Self {
        Self(Arc::new(Shared { limits, state: Mutex::default() }))
    }

    /// Waits for a permit. Calls of one namespace to one host get theirs in the order in which they asked.
    pub async fn acquire(&self, namespace: &str, host: &str) -> FairPermit {
        loop {
            let waiting = match self.take_or_wait(namespace, &host.to_ascii_lowercase()) {
                Ok(permit) => return permit,
                Err(waiting) => waiting,
            };
            // The sender is dropped with the state only, which this value keeps.
            if let Ok(permit) = waiting.await {
                return permit;
            }
        }
    }

    fn take_or_wait(&self, namespace: &str, host: &str) -> Result<FairPermit, oneshot::Receiver<FairPermit>> {
        let mut state = self.0.state();
        let share = state.namespaces.get(namespace).map_or(0, |share| share.in_use);
        let of_host = state.hosts.get(host).copied().unwrap_or_default();
        let limits = self.0.limits;
        if state.in_use < limits.total && share < limits.per_namespace && of_host < limits.per_host {
            return Ok(self.0.give(&mut state, namespace, host));
        }
        let (ready, waiting) = oneshot::channel();
        let share = state.namespaces.entry(namespace.to_owned()).or_default();
        share.waiting.push_back(Waiting { host: host.to_owned(), ready });
        Err(waiting)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that runs with the lock held can panic, so a poisoned lock guards sound data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(self: &Arc<Self>, state: &mut State, namespace: &str, host: &str) -> FairPermit {
        state.in_use += 1;
        state.given += 1;
        let share = state.namespaces.entry(namespace.to_owned()).or_default();
        share.in_use += 1;
        share.last = state.given;
        *state.hosts.entry(host.to_owned()).or_default() += 1;
        FairPermit { shared: Arc::clone(self), namespace: namespace.to_owned(), host: host.to_owned() }
    }

    /// The one that is next, and its permit; `None` when nobody who waits can have one.
    fn next(self: &Arc<Self>, state: &mut State) -> Option<(oneshot::Sender<FairPermit>, FairPermit)> {
        if state.in_use >= self.limits.total {
            return None;
        }
        let hosts = &state.hosts;
        let can_go = |waiting: &Waiting| hosts.get(&waiting.host).is_none_or(|used| *used < self.limits.per_host);
        let first = |share: &Share| share.waiting.iter().position(can_go);
        let candidates = state.namespaces.iter().filter(|(_, share)| share.in_use < self.limits.per_namespace);
        let (namespace, place) = candidates
            .filter_map(|(namespace, share)| Some((share.in_use, share.last, namespace, first(share)?)))
            .min()
            .map(|(_, _, namespace, place)| (namespace.clone(), place))?;
        let Waiting { host, ready } = state.namespaces.get_mut(&namespace)?.waiting.remove(place)?;
        let permit = self.give(state, &namespace, &host);
        Some((ready, permit))
    }

    fn take_back(&self, state: &mut State, namespace: &str, host: &str) {
        state.in_use -= 1;
        if let Some(share) = state.namespaces.get_mut(namespace) {
            share.in_use -= 1;
            if share.in_use == 0 && share.waiting.is_empty() {
                state.namespaces.remove(namespace);
            }
        }
        if let Some(used) = state.hosts.get_mut(host) {
            *used -= 1;
            if *used == 0 {
                state.hosts.remove(host);
            }
        }
    }
}

impl Drop for FairPermit {
    fn drop(&mut self) {
        let mut next = {
            let mut state = self.shared.state();
            self.shared.take_back(&mut state, &self.namespace, &self.host);
            self.shared.next(&mut state)
        };
        // Without the lock: a permit that nobody takes any more is dropped here, and so is given to the one after.
        while let Some((ready, permit)) = next {
            drop(ready.send(permit));
            next = self.shared.next(&mut self.shared.state());
        }
    }
}

tokio::task_local! {
    static ON_BEHALF_OF: String;
}

/// Does work on behalf of a namespace: what is scarce below, such as look-ups of names, is counted for it.
pub(super) async fn on_behalf_of<T>(namespace: &Namespace, work: impl Future<Output = T>) -> T {
    ON_BEHALF_OF.scope(namespace.to_string(), work).await
}

/// The namespace on whose behalf the current task works; empty when there is none.
pub fn beneficiary() -> String {
    ON_BEHALF_OF.try_with(Clone::clone).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::timeout;

    use super::*;

    const LIMITS: PermitLimits = PermitLimits { total: 4, per_namespace: 3, per_host: 2 };

    /// The permit, if it is there at once.
    async fn now(permits: &FairPermits, namespace: &str, host: &str) -> Option<FairPermit> {
        timeout(Duration::from_millis(1), permits.acquire(namespace, host)).await.ok()
    }

    #[tokio::test]
    async fn neither_a_host_nor_a_namespace_takes_all_permits() {
        let permits = FairPermits::new(LIMITS);
        let mut held = Vec::new();
        for (namespace, host, there) in [
            ("east", "a", true),
            ("east", "A", true),
            ("east", "a", false),
            ("west", "a", false),
            ("east", "b", true),
            ("east", "c", false),
            ("west", "c", true),
            ("north", "d", false),
        ] {
            let permit = now(&permits, namespace, host).await;
            assert_eq!(permit.is_some(), there, "{namespace} {host}");
            held.extend(permit);
        }

        held.clear();

        let state = permits.0.state();
        assert_eq!((state.in_use, state.hosts.len()), (0, 0));
        assert!(state.namespaces.values().all(|share| share.in_use == 0));
    }

    #[tokio::test]
    async fn a_free_permit_goes_to_the_namespace_that_holds_the_fewest() {
        let permits = FairPermits::new(PermitLimits { total: 4, per_namespace: 3, per_host: 9 });
        let mut held = Vec::new();
        for namespace in ["east", "east", "east", "west"] {
            held.push(now(&permits, namespace, "a").await.unwrap());
        }
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        for namespace in ["east", "west", "west", "north", "south"] {
            let (permits, sender) = (permits.clone(), sender.clone());
            tokio::spawn(async move {
                let permit = permits.acquire(namespace, "a").await;
                let _ = sender.send((namespace, permit));
            });
            tokio::task::yield_now().await;
        }

        let mut served = Vec::new();
        // One of the three of east at a time, so that it always holds as many as others, or more.
        for _ in 0..3 {
            drop(held.remove(0));
            let (namespace, permit) = timeout(Duration::from_secs(5), order.recv()).await.unwrap().unwrap();
            served.push(namespace);
            held.push(permit);
        }

        // Neither held any; of the others west holds one, and east none any more.
        served[..2].sort_unstable();
        assert_eq!(served, ["north", "south", "east"]);
    }

    #[tokio::test]
    async fn a_permit_for_one_who_has_gone_goes_to_the_next() {
        let permits = FairPermits::new(PermitLimits { total: 1, per_namespace: 1, per_host: 1 });
        let held = permits.acquire("east", "a").await;
        let gone = {
            let permits = permits.clone();
            tokio::spawn(async move { permits.acquire("west", "a").await })
        };
        let next = {
            let permits = permits.clone();
            tokio::spawn(async move { permits.acquire("west", "a").await })
        };
        tokio::task::yield_now().await;
        gone.abort();
        let _ = gone.await;

        drop(held);

        timeout(Duration::from_secs(5), next).await.unwrap().unwrap();
    }

    proptest! {
        #[test]
        fn limits_hold_and_nobody_waits_who_could_go(
            steps in proptest::collection::vec((0..3_usize, 0..3_usize, any::<bool>()), 1..60),
        ) {
            let permits = FairPermits::new(LIMITS);
            let (mut held, mut waiting) = (Vec::new(), Vec::new());
            for (namespace, host, release) in steps {
                if release && !held.is_empty() {
                    held.remove(namespace % held.len());
                } else {
                    match permits.take_or_wait(&namespace.to_string(), &host.to_string()) {
                        Ok(permit) => held.push(permit),
                        Err(receiver) => waiting.push(receiver),
                    }
                }
                waiting.retain_mut(|receiver: &mut oneshot::Receiver<FairPermit>| match receiver.try_recv() {
                    Ok(permit) => {
                        held.push(permit);
                        false
                    }
                    Err(_) => true,
                });
                let mut state = permits.0.state();
                prop_assert_eq!(state.in_use, held.len());
                prop_assert!(state.in_use <= LIMITS.total);
                prop_assert!(state.namespaces.values().all(|share| share.in_use <= LIMITS.per_namespace));
                prop_assert!(state.hosts.values().all(|used| *used <= LIMITS.per_host));
                let next = permits.0.next(&mut state);
                // A permit that is dropped takes the lock.
                drop(state);
                prop_assert!(next.is_none(), "somebody waits who could go");
            }
        }
    }
}
