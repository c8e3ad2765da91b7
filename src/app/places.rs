//! Room for what is done over the network: so much at once, and of that so much with one host.
//!
//! What is new, what went well and what failed before have room of their own. So hosts that do not answer keep neither
//! each other's news nor what works waiting.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::service::App;

/// Whom something shares its room with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// What was not tried yet as it is now.
    New,
    /// What went well the last time.
    Well,
    /// What did not.
    Failing,
}

/// How much is done at once in a lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// In all.
    pub(super) all: usize,
    /// With one host.
    pub(super) one_host: usize,
}

/// The room there is.
pub(super) struct Places {
    room: Room,
    new: Arc<Semaphore>,
    well: Arc<Semaphore>,
    failing: Arc<Semaphore>,
    /// Of the hosts that something is done with or waits for.
    hosts: Mutex<HashMap<(Lane, String), Weak<Semaphore>>>,
}

/// A place, given back when dropped.
pub(super) struct Place {
    _host: OwnedSemaphorePermit,
    _lane: OwnedSemaphorePermit,
}

impl Places {
    /// With this much room in each lane.
    pub(super) fn new(room: Room) -> Self {
        let lane = || Arc::new(Semaphore::new(room.all));
        Self { room, new: lane(), well: lane(), failing: lane(), hosts: Mutex::default() }
    }

    /// A place, first come, first served; none when the service stops.
    pub(super) async fn take(&self, app: &App, lane: Lane, host: &str) -> Option<Place> {
        tokio::select! {
            biased;
            () = app.stopping() => None,
            place = self.wait(lane, host) => place,
        }
    }

    async fn wait(&self, lane: Lane, host: &str) -> Option<Place> {
        let of_lane = match lane {
            Lane::New => &self.new,
            Lane::Well => &self.well,
            Lane::Failing => &self.failing,
        };
        // The host's first: who waits for that holds nothing that others need. Neither is ever closed.
        let host = self.of_host(lane, host).acquire_owned().await.ok()?;
        Some(Place { _host: host, _lane: Arc::clone(of_lane).acquire_owned().await.ok()? })
    }

    fn of_host(&self, lane: Lane, host: &str) -> Arc<Semaphore> {
        // Nothing that is called with the lock held panics.
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (lane, host.to_ascii_lowercase());
        if let Some(found) = hosts.get(&key).and_then(Weak::upgrade) {
            return found;
        }
        hosts.retain(|_, semaphore| semaphore.strong_count() > 0);
        let made = Arc::new(Semaphore::new(self.room.one_host));
        hosts.insert(key, Arc::downgrade(&made));
        made
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, time::Duration};

    use tokio::time::timeout;

    use super::*;

    /// Whether a place is there at once.
    async fn now(place: impl Future<Output = Option<Place>>) -> Option<Place> {
        timeout(Duration::from_millis(1), place).await.ok().flatten()
    }

    #[tokio::test]
    async fn one_host_does_not_take_all_places_and_failures_take_none_of_what_is_new() {
        let places = Places::new(Room { all: 3, one_host: 2 });
        let take = |lane, host| now(places.wait(lane, host));

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
            let place = take(lane, host).await;
            assert_eq!(place.is_some(), there, "{lane:?} {host}");
            held.extend(place);
        }

        held.clear();
        assert!(take(Lane::New, "c").await.is_some());
        assert_eq!(places.hosts.lock().unwrap().len(), 1, "hosts that nobody waits for are forgotten");
    }
}
