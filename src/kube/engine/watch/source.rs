//! The events that one watch sends next. They are made a few at a time, with a permit for their memory, and are text before they
//! are sent: while they wait for the client, the objects would take several times as much memory.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{
    event::{EventType, Form},
    shared::{EventKey, SharedBytes, SharedEvents},
    step::{Current, ObjectChange, Step, steps},
    stream::Line,
};
use crate::{
    app::{App, MemoryShare, NoMemory},
    grant::{Namespace, Revision},
    kube::{
        engine::{
            kind::{Kind, Page, PageQuery, Subject},
            object_meta::ObjectMeta,
            selector::Selector,
        },
        problem::status::Problem,
    },
    store::{Change, ChangeEffect, Changes, ChangesError, LastState, footprint},
};

/// How long a watch waits for memory for its next event.
const MEMORY_DEADLINE: Duration = Duration::from_secs(30);
/// The most objects that are read in one step while the initial events are sent.
const PAGE: u32 = 100;
/// The most changes whose objects are read in one step.
const MOST_CHANGES: usize = 256;
/// About how much memory the objects that are read in one step may take together, the last of them not counted, in bytes.
const MOST_BYTES: usize = 256 * 1024;
/// The longest time by which the ring of changes may lag behind the store.
const RING_DEADLINE: Duration = Duration::from_secs(5);

/// The states of objects that have changed, by the uids of the objects.
type Objects<K> = HashMap<String, Current<<K as Kind>::State>>;

/// Events that were made together, with what is sent so far after each.
pub(super) struct Made<P> {
    pub(super) lines: Vec<(P, Line)>,
    /// What is sent so far after all of them.
    pub(super) end: P,
    /// How many bytes the next event has, for which there was no memory.
    pub(super) missing: Option<usize>,
}

impl<P> Made<P> {
    /// Makes the events, up to the first for which there is no memory.
    fn of(lines: impl Iterator<Item = (P, Result<Line, usize>)>, end: P) -> Self {
        let mut made = Vec::new();
        for (position, line) in lines {
            match line {
                Ok(line) => made.push((position, line)),
                Err(bytes) => return Self { lines: made, end, missing: Some(bytes) },
            }
        }
        Self { lines: made, end, missing: None }
    }
}

/// The events of the next changes.
pub(super) enum Found {
    /// Up to this revision there are none.
    Nothing {
        up_to: Revision,
    },
    Events(Made<Revision>),
}

/// The namespace and name of the object whose initial event was sent last.
pub(super) type Position<K> = Option<(Namespace, <K as Kind>::Name)>;

/// Where the events of one watch come from.
pub(super) struct EventSource<K> {
    pub(super) app: Arc<App>,
    pub(super) kind: K,
    pub(super) namespace: Option<Namespace>,
    pub(super) selector: Selector,
    pub(super) form: Form,
    pub(super) memory: MemoryShare,
    pub(super) shared: Arc<SharedEvents>,
}

impl<K: Kind> EventSource<K> {
    /// The events of a page of objects, and the revision of the first page. They are text before they are sent: while they wait
    /// for the client, the objects would take several times as much memory.
    pub(super) async fn initial_events(
        &self,
        first: Option<Revision>,
        after: Position<K>,
    ) -> Result<(Revision, Made<Position<K>>), Problem> {
        let turn = self.app.watches().turn().await;
        let query = PageQuery { namespace: self.namespace.clone(), after, limit: PAGE };
        // Corrupt objects are left out here; lists warn about them.
        let Page { items, corrupt: _, revision, next } = self.kind.page(&self.app, query).await?;
        let first = first.unwrap_or(revision);
        let lines = items.iter().filter_map(|state| {
            let ObjectMeta { namespace, name, uid, labels, members, revision: state_revision } = self.kind.meta(state);
            if !self.selector.selects(namespace.as_str(), name, labels, members) {
                return None;
            }
            let position = name.parse().ok().map(|name| (namespace.clone(), name));
            // A client that resumes from an event of a later page must not miss what changed on an earlier one.
            let revision = state_revision.min(first);
            let key = self.key(EventType::Added, uid, revision, state_revision);
            Some((position, self.line(key, || self.kind.object(&self.app, state))))
        });
        Ok((first, turn.run(|| Made::of(lines, next))))
    }

    fn key(&self, event: EventType, uid: String, revision: Revision, state: Revision) -> EventKey {
        let resource = self.form.resource;
        let kind = (resource.kind, resource.group_version.version);
        EventKey { user: Arc::clone(self.memory.user()), kind, event, uid, revision, state }
    }

    /// An event, with memory for it; or how many bytes it has, if there is no memory.
    fn line(&self, key: EventKey, object: impl FnOnce() -> Value) -> Result<Line, usize> {
        // Tables show ages, and may leave most of an object out.
        let is_shared = self.form.table.is_none();
        if let Some(made) = self.shared.get(&key).filter(|_| is_shared) {
            return Ok(made.into());
        }
        let bytes = self.form.event(key.event, object(), key.revision);
        let memory = self.memory.try_take(bytes.len()).map_err(|NoMemory| bytes.len())?;
        let made = if is_shared { self.shared.add(key, bytes, memory) } else { SharedBytes::alone(bytes, memory) };
        Ok(made.into())
    }

    /// The events of the next changes after `position`. They are text before they are sent, as the initial ones.
    pub(super) async fn next_events(&self, position: Revision) -> Result<Found, Problem> {
        // Held until the events are text.
        let turn = self.app.watches().turn().await;
        // Read the revision first: the ring has the entries of every revision up to it.
        let head = self.changes().head();
        let changes = self.since(position)?;
        let relevant: Vec<ObjectChange<'_>> = self.entries(&changes).take(MOST_CHANGES).collect();
        if relevant.is_empty() {
            let seen = changes.last().map_or(head, |change| change.revision.max(head));
            return Ok(Found::Nothing { up_to: position.max(seen) });
        }
        let (now, last) = self.read(&relevant, position).await?;
        let known = self.changes_up_to(position, &now).await?;
        let made = turn.run(|| {
            let selected = self.selected_by_members(&now, &known);
            let entries = self.entries(&known).filter(|entry| selected.contains(entry.subject.uid.as_str())).collect();
            // Objects whose namespace or name is not selected were not read.
            let selects = |_: &Subject<'_>, labels: &_| self.selector.selects_labels(labels);
            let steps = steps(self.kind, entries, &now, selects, last);
            let lines = steps.into_iter().map(|step| {
                let state = now.get(&step.subject.uid);
                let shown = match state {
                    Some(Current::Found(state)) => self.kind.meta(state).revision,
                    Some(Current::Gone | Current::Unreadable) | None => Revision(0),
                };
                let key = self.key(step.event, step.subject.uid.clone(), step.revision, shown);
                (step.revision, self.line(key, || self.content(&step, state)))
            });
            Made::of(lines, last)
        });
        Ok(Found::Events(made))
    }

    /// Waits until there could be memory for an event.
    pub(super) async fn wait_for_memory(&self, bytes: usize) -> Result<(), Problem> {
        self.memory.take(bytes, MEMORY_DEADLINE).await.map(drop).map_err(|NoMemory| Problem::Overloaded)
    }

    pub(super) fn changes(&self) -> &Changes {
        self.app.changes()
    }

    fn since(&self, revision: Revision) -> Result<Vec<Arc<Change>>, Problem> {
        self.changes().since(revision).map_err(|error| match error {
            ChangesError::TooOld { oldest: _ } => Problem::Expired { revision, head: self.changes().head() },
            ChangesError::Future { head } => Problem::Expired { revision, head },
        })
    }

    /// The changes that may be about a selected object.
    fn entries<'c>(&self, changes: &'c [Arc<Change>]) -> impl Iterator<Item = ObjectChange<'c>> {
        changes.iter().filter_map(|change| {
            let subject = self.kind.subject(&change.subject)?;
            let here = self.namespace.as_ref().is_none_or(|namespace| namespace == subject.namespace)
                && self.selector.selects_place(subject.namespace.as_str(), subject.name);
            here.then_some(ObjectChange { revision: change.revision, subject, effect: &change.effect })
        })
    }

    /// The objects that these changes are about, as they are now, by their uids; and the revision of the last change that was
    /// considered, as large objects are read a few at a time.
    async fn read(&self, entries: &[ObjectChange<'_>], position: Revision) -> Result<(Objects<K>, Revision), Problem> {
        let (mut read, mut bytes, mut last) = (HashMap::new(), 0, position);
        for ObjectChange { revision, subject, .. } in entries {
            if !read.contains_key(&subject.uid) {
                if bytes > MOST_BYTES {
                    break;
                }
                let now = self.read_one(subject).await?;
                if let Current::Found(state) = &now {
                    bytes += self.kind.meta(state).members.map_or(0, footprint::of_members);
                }
                read.insert(subject.uid.clone(), now);
            }
            last = *revision;
        }
        Ok((read, last))
    }

    async fn read_one(&self, subject: &Subject<'_>) -> Result<Current<K::State>, Problem> {
        let found = match subject.name.parse() {
            Ok(name) => self.kind.find(&self.app, subject.namespace, &name).await,
            Err(_) => Ok(None),
        };
        match found {
            Ok(Some(state)) if self.kind.meta(&state).uid == subject.uid => Ok(Current::Found(state)),
            Ok(Some(_) | None) => Ok(Current::Gone),
            // A corrupt object was logged, and must not keep the events of other objects back.
            Err(Problem::Internal(_)) => Ok(Current::Unreadable),
            Err(problem) => Err(problem),
        }
    }

    /// The last states of the objects that these changes removed, by the uids of the objects.
    fn removed<'c>(&self, changes: &'c [Arc<Change>]) -> HashMap<String, &'c LastState> {
        let removed = changes.iter().filter_map(|change| match &change.effect {
            ChangeEffect::Removed(last) => Some((self.kind.subject(&change.subject)?.uid, last)),
            ChangeEffect::Added | ChangeEffect::Modified { .. } => None,
        });
        removed.collect()
    }

    /// The uids of the objects that were read and whose members are selected. The members that can be selected by never change,
    /// so their last known value was always theirs.
    fn selected_by_members<'n>(&self, read: &'n Objects<K>, changes: &[Arc<Change>]) -> HashSet<&'n str> {
        let removed = self.removed(changes);
        let selects = |state: &K::State| self.selector.selects_members(self.kind.meta(state).members);
        let last = |uid: &String| removed.get(uid).and_then(|last| self.kind.last(last));
        let selected = read.iter().filter(|(uid, now)| match now {
            Current::Found(state) => selects(state),
            // When in doubt a deletion is sent: a superfluous one is harmless, but without a needed one the client
            // would keep the object for ever.
            Current::Gone | Current::Unreadable => last(uid).is_none_or(|state| selects(&state)),
        });
        selected.map(|(uid, _)| uid.as_str()).collect()
    }

    /// The changes after `position`, at least all that led to what was read.
    async fn changes_up_to(&self, position: Revision, read: &Objects<K>) -> Result<Vec<Arc<Change>>, Problem> {
        let deadline = Instant::now() + RING_DEADLINE;
        loop {
            let head = self.changes().head();
            let changes = self.since(position)?;
            let is_whole = {
                let removed = self.removed(&changes);
                read.iter().all(|(uid, now)| match now {
                    Current::Found(state) => self.kind.meta(state).revision <= head.max(position),
                    Current::Gone => removed.contains_key(uid),
                    Current::Unreadable => true,
                })
            };
            if is_whole {
                return Ok(changes);
            }
            if timeout_at(deadline, self.changes().wait_past(head)).await.is_err() {
                warn!("a watch sends objects whose changes the store has not published yet");
                return Ok(changes);
            }
        }
    }

    /// The object that a step shows: its present state or, after its removal, its last one.
    fn content(&self, step: &Step<'_>, now: Option<&Current<K::State>>) -> Value {
        match now {
            Some(Current::Found(state)) => self.kind.object(&self.app, state),
            Some(Current::Gone | Current::Unreadable) | None => {
                let last = step.last.and_then(|last| self.kind.last(last));
                last.map_or_else(|| self.form.identity(&step.subject), |state| self.kind.object(&self.app, &state))
            }
        }
    }
}
