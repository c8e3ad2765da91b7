//! Long events that several watches of one user send at the same time: they are in memory once, and counted once.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use hyper::body::Bytes;

use super::event::EventType;
use crate::{app::MemoryPermit, grant::Revision};

/// Shorter events are made anew for each watch.
const SHORTEST: usize = 4 * 1024;
/// Entries of events that are sent are looked for and removed when there are this many, or twice as many as were kept last time.
const MANY: usize = 256;

/// The text of an event, with the permit for its memory.
#[derive(Debug)]
pub(crate) struct SharedBytes {
    pub(crate) bytes: Bytes,
    _memory: MemoryPermit,
}

impl SharedBytes {
    /// An event that is not shared.
    pub(super) fn alone(bytes: Bytes, memory: MemoryPermit) -> Arc<Self> {
        Arc::new(Self { bytes, _memory: memory })
    }
}

/// Which event it is: a change of an object, the state of the object that it shows, and who it is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EventKey {
    pub(super) user: Arc<str>,
    /// The kind of the object and the version in which it is shown.
    pub(super) kind: (&'static str, &'static str),
    pub(super) event: EventType,
    pub(super) uid: String,
    pub(super) revision: Revision,
    pub(super) state: Revision,
}

/// The long events that some watch has yet to send.
#[derive(Default)]
pub(crate) struct SharedEvents(Mutex<Events>);

#[derive(Default)]
struct Events {
    entries: HashMap<EventKey, Weak<SharedBytes>>,
    /// How many entries were kept last time.
    kept: usize,
}

impl SharedEvents {
    /// The event, if a watch of this user has yet to send it.
    pub(super) fn get(&self, key: &EventKey) -> Option<Arc<SharedBytes>> {
        self.events().entries.get(key).and_then(Weak::upgrade)
    }

    /// An event that was made, to be shared if it is long.
    pub(super) fn add(&self, key: EventKey, bytes: Bytes, memory: MemoryPermit) -> Arc<SharedBytes> {
        let is_long = bytes.len() >= SHORTEST;
        let shared = SharedBytes::alone(bytes, memory);
        if is_long {
            let mut events = self.events();
            if events.entries.len() >= MANY.max(2 * events.kept) {
                events.entries.retain(|_, event| event.strong_count() > 0);
                events.kept = events.entries.len();
            }
            events.entries.insert(key, Arc::downgrade(&shared));
        }
        shared
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        // No code that runs with the lock held can panic, so a poisoned lock guards sound data.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedEvents")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::MemoryBudget;

    fn key(user: &str, revision: u64) -> EventKey {
        EventKey {
            user: user.into(),
            kind: ("Secret", "v1"),
            event: EventType::Modified,
            uid: "u".to_owned(),
            revision: Revision(revision),
            state: Revision(revision),
        }
    }

    #[test]
    fn a_long_event_of_one_user_is_counted_once_as_long_as_somebody_has_yet_to_send_it() {
        let (budget, events) = (Arc::new(MemoryBudget::default()), SharedEvents::default());
        let (free, bytes) = (budget.free(), Bytes::from(vec![b' '; SHORTEST]));
        let memory = budget.share_of("a").try_take(bytes.len()).unwrap();
        let made = events.add(key("a", 7), bytes.clone(), memory);

        let other = events.get(&key("a", 7)).unwrap();
        assert_eq!((other.bytes.as_ptr(), budget.free()), (bytes.as_ptr(), free - SHORTEST));
        assert!(events.get(&key("b", 7)).is_none(), "another user would pay with this user's share");
        assert!(events.get(&key("a", 8)).is_none());

        drop(made);
        assert!(events.get(&key("a", 7)).is_some());
        drop(other);
        assert_eq!((events.get(&key("a", 7)).is_none(), budget.free()), (true, free));
    }

    #[test]
    fn events_that_are_sent_leave_no_entries_behind() {
        let (budget, events) = (Arc::new(MemoryBudget::default()), SharedEvents::default());
        for revision in 0..10_000 {
            let memory = budget.share_of("a").try_take(SHORTEST).unwrap();
            drop(events.add(key("a", revision), Bytes::from_static(&[b' '; SHORTEST]), memory));
        }
        assert!(events.events().entries.len() <= MANY);
    }
}
