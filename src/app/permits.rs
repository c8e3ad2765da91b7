//! Permits for calls over the network: a limit for all of them, and one for each host.
//!
//! New objects, those that succeeded and those that failed have permits of their own. So hosts that do not answer delay
//! neither new objects nor those that work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::service::App;

/// Which objects share their permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Those that were not tried yet as they are now.
    New,
    /// Those that succeeded the last time.
    Well,
    /// Those that failed the last time.
    Failing,
}

/// How many calls may be in progress at once in a lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct PermitLimits {
    /// The most calls in all.
    pub(super) total: usize,
    /// The most calls to one host.
    pub(super) per_host: usize,
}

/// The permits of one controller.
pub(super) struct Permits {
    limits: PermitLimits,
    new: Arc<Semaphore>,
    well: Arc<Semaphore>,
    failing: Arc<Semaphore>,
    /// Of the hosts with which a call is in progress or waits.
    hosts: Mutex<HashMap<(Lane, String), Weak<Semaphore>>>,
}

/// The permit for one call, given back when dropped.
pub(super) struct Permit {
    _host: OwnedSemaphorePermit,
    _lane: OwnedSemaphorePermit,
}

impl Permits {
    /// With these limits in each lane.
    pub(super) fn new(limits: PermitLimits) -> Self {
        let lane = || Arc::new(Semaphore::new(limits.total));
        Self { limits, new: lane(), well: lane(), failing: lane(), hosts: Mutex::default() }
    }

    /// Waits for a permit, first come, first served; `None` when the service stops.
    pub(super) async fn acquire(&self, app: &App, lane: Lane, host: &str) -> Option<Permit> {
        tokio::select! {
            biased;
            () = app.stopping() => None,
            permit = self.wait(lane, host) => permit,
        }
    }

    async fn wait(&self, lane: Lane, host: &str) -> Option<Permit> {
        let of_lane = match lane {
            Lane::New => &self.new,
            Lane::Well => &self.well,
            Lane::Failing => &self.failing,
        };
        // The host's first: while a call waits for its host it must not hold a permit of the lane, which calls to other
        // hosts need. Neither semaphore is ever closed.
        let host = self.of_host(lane, host).acquire_owned().await.ok()?;
        Some(Permit { _host: host, _lane: Arc::clone(of_lane).acquire_owned().await.ok()? })
    }

    fn of_host(&self, lane: Lane, host: &str) -> Arc<Semaphore> {
        // No code that runs with the lock held can panic, so a poisoned lock guards sound data.
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (lane, host.to_ascii_lowercase());
        if let Some(found) = hosts.get(&key).and_then(Weak::upgrade) {
            return found;
        }
        hosts.retain(|_, semaphore| semaphore.strong_count() > 0);
        let made = Arc::new(Semaphore::new(self.limits.per_host));
        hosts.insert(key, Arc::downgrade(&made));
        made
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, time::Duration};

    use tokio::time::timeout;

    use super::*;

    /// The permit, if it is there at once.
    async fn now(permit: impl Future<Output = Option<Permit>>) -> Option<Permit> {
        timeout(Duration::from_millis(1), permit).await.ok().flatten()
    }

    #[tokio::test]
    async fn one_host_does_not_take_all_permits_and_failures_take_none_of_new_objects() {
        let permits = Permits::new(PermitLimits { total: 3, per_host: 2 });
        let acquire = |lane, host| now(permits.wait(lane, host));

        let mut held = Vec::new();
        for (lane, host, there) in [
            (Lane::New, "a", true),
            (Lane::New, "A", true),
            (Lane::New, "a", false),
            (Lane::New, "b", true),
            (Lane::New, "c", false),
            (Lane::Failing, "a", true),
            (Lane::Well, "a", true),
        ] {
            let permit = acquire(lane, host).await;
            assert_eq!(permit.is_some(), there, "{lane:?} {host}");
            held.extend(permit);
        }

        held.clear();
        assert!(acquire(Lane::New, "c").await.is_some());
        assert_eq!(permits.hosts.lock().unwrap().len(), 1, "hosts without calls are forgotten");
    }
}
