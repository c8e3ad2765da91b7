//! One watch: sends the objects of a type as they change, for as long as its client reads
//! (docs/kubernetes-api.md section 4.4).
//!
//! Which objects changed is read from the store's ring of [`Changes`], their present state from the store itself. Each event
//! carries the revision of its change, not that of the object it shows: a client that resumes from it misses nothing.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tracing::warn;

use super::{
    event::{self, EventType, Form},
    step::{Current, ObjectChange, Step, steps},
    stream::{self, ClientGone, Events},
};
use crate::{
    app::App,
    grant::{Namespace, Revision},
    kube::{
        catalog::table::TableForm,
        engine::{
            kind::{Kind, Page, PageQuery, Subject},
            object_meta::ObjectMeta,
            options::{Bookmarks, EndOfInitialEvents, Start, WatchOptions},
            outcome::{Content, Outcome},
        },
        problem::{json, status::Problem},
    },
    store::{Change, ChangeEffect, Changes, ChangesError},
};

/// The most watches at the same time; further ones are answered 429.
pub(crate) const MOST_WATCHES: usize = 256;
/// How long events wait for a client that reads nothing, before its watch ends.
const SEND_DEADLINE: Duration = Duration::from_secs(30);
/// The most objects that are read in one step while the initial events are sent.
const PAGE: u32 = 100;
/// The most changes whose objects are read in one step.
const MOST_CHANGES: usize = 256;
/// About how many bytes the objects that are read in one step may have together, the last of them not counted.
const MOST_BYTES: usize = 1024 * 1024;
/// How often a bookmark is sent, if the position of the watch has changed without an event.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// The pause after events, so that an object that changes all the time is not sent more often.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest time by which the ring of changes may lag behind the store.
const RING_DEADLINE: Duration = Duration::from_secs(5);

/// Which objects a watch is about, and the form of its events.
#[derive(Debug)]
pub(crate) struct WatchRequest {
    pub(crate) namespace: Option<Namespace>,
    pub(crate) options: WatchOptions,
    pub(crate) table: Option<TableForm>,
}

/// Opens a watch, which keeps its permit until it ends: at its time limit, when the server stops, or when its client reads
/// no events.
///
/// # Errors
/// 503 when the store does not answer. A later failure is sent as an event.
pub(crate) async fn open<K: Kind>(
    app: &Arc<App>,
    kind: K,
    request: WatchRequest,
    permit: OwnedSemaphorePermit,
) -> Result<Outcome, Problem> {
    app.revision().await.map_err(|error| Problem::from_store(&error))?;
    let (events, stream) = stream::pair(SEND_DEADLINE);
    let watch = Watch::new(Arc::clone(app), kind, request);
    tokio::spawn(async move {
        watch.run(events).await;
        drop(permit);
    });
    Ok(Outcome::new(Content::Events(stream)))
}

/// Why a watch ends before its time.
enum End {
    /// The client has disconnected, or reads no events.
    ClientGone,
    /// The watch cannot go on. The problem is its last event.
    Failed(Problem),
}

impl From<ClientGone> for End {
    fn from(ClientGone: ClientGone) -> Self {
        Self::ClientGone
    }
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// The states of objects that have changed, by the uids of the objects.
type Objects<K> = HashMap<String, Current<<K as Kind>::State>>;

struct Watch<K> {
    app: Arc<App>,
    kind: K,
    namespace: Option<Namespace>,
    options: WatchOptions,
    form: Form,
    /// All changes up to this revision are sent; `None` while the initial events are being sent.
    position: Option<Revision>,
    /// The last revision that was sent.
    sent: Option<Revision>,
}

impl<K: Kind> Watch<K> {
    fn new(app: Arc<App>, kind: K, request: WatchRequest) -> Self {
        let WatchRequest { namespace, options, table } = request;
        let form = Form { resource: kind.resource(), table, clock: app.clock().clone() };
        Self { app, kind, namespace, options, form, position: None, sent: None }
    }

    async fn run(mut self, events: Events) {
        let (app, lasts) = (Arc::clone(&self.app), self.options.lasts);
        let end = tokio::select! {
            end = self.follow(&events) => end.err(),
            () = app.stopping() => None,
            () = sleep(lasts) => None,
            () = events.closed() => Some(End::ClientGone),
        };
        match end {
            Some(End::ClientGone) => return,
            Some(End::Failed(problem)) => {
                if events.send(event::line(EventType::Error, &problem.into_status().into_object())).await.is_err() {
                    return;
                }
            }
            None => {
                if let (Bookmarks::Sent, Some(position)) = (self.options.bookmarks, self.position) {
                    // Not waited for: a client that has not read the events before this bookmark has no use for it.
                    events.send_unless_full(self.form.bookmark(position));
                }
            }
        }
        events.finish();
    }

    /// Sends what exists, if the client asked for it, and then what changes, until something fails.
    async fn follow(&mut self, events: &Events) -> Result<Infallible, End> {
        let start = match self.options.start {
            Start::After(revision) => revision,
            Start::Now => self.changes().head(),
            Start::All { at_least } => {
                if let Some(Err(ChangesError::Future { head })) = at_least.map(|least| self.changes().since(least)) {
                    let revision = at_least.unwrap_or(head);
                    return Err(Problem::Expired { revision, head }.into());
                }
                let revision = self.send_all(events).await?;
                if let (Bookmarks::Sent, EndOfInitialEvents::Sent) =
                    (self.options.bookmarks, self.options.end_of_initial_events)
                {
                    events.send(self.form.end_of_initial_events(revision)).await?;
                }
                revision
            }
        };
        (self.position, self.sent) = (Some(start), Some(start));
        let mut bookmark_at = Instant::now() + BOOKMARK_INTERVAL;
        let mut position = start;
        loop {
            position = self.catch_up(position, events).await?;
            tokio::select! {
                () = self.changes().wait_past(position) => {}
                () = sleep_until(bookmark_at) => {}
            }
            if Instant::now() >= bookmark_at {
                bookmark_at = Instant::now() + BOOKMARK_INTERVAL;
                if self.options.bookmarks == Bookmarks::Sent && self.sent < Some(position) {
                    events.send(self.form.bookmark(position)).await?;
                    self.sent = Some(position);
                }
            }
        }
    }

    /// Sends all that exists, and returns the revision after which changes are to be sent.
    async fn send_all(&mut self, events: &Events) -> Result<Revision, End> {
        let (mut first, mut after) = (None, None);
        loop {
            let query = PageQuery { namespace: self.namespace.clone(), after, limit: PAGE };
            // Corrupt objects are left out here; lists warn about them.
            let Page { items, corrupt: _, revision, next } = self.kind.page(&self.app, query).await?;
            let first = *first.get_or_insert(revision);
            for state in &items {
                let ObjectMeta { namespace, name, labels, members, revision, .. } = self.kind.meta(state);
                if self.options.selector.selects(namespace.as_str(), name, labels, members) {
                    let object = self.kind.object(&self.app, state);
                    // A client that resumes from an event of a later page must not miss what changed on an earlier one.
                    events.send(self.form.event(EventType::Added, object, revision.min(first))).await?;
                }
            }
            after = next;
            if after.is_none() {
                return Ok(first);
            }
        }
    }

    /// Sends all changes after `position`, and returns the position after them.
    async fn catch_up(&mut self, mut position: Revision, events: &Events) -> Result<Revision, End> {
        loop {
            // Read the revision first: the ring has the entries of every revision up to it.
            let head = self.changes().head();
            let changes = self.since(position)?;
            let relevant: Vec<ObjectChange<'_>> = self.entries(&changes).take(MOST_CHANGES).collect();
            if relevant.is_empty() {
                let seen = changes.last().map_or(head, |change| change.revision.max(head));
                return Ok(self.advance_to(position.max(seen)));
            }
            let (now, last) = self.read(&relevant, position).await?;
            let known = self.changes_up_to(position, &now).await?;
            let selected = self.selected_by_members(&now, &known);
            let entries = self.entries(&known).filter(|entry| selected.contains(entry.subject.uid.as_str())).collect();
            // Objects whose namespace or name is not selected were not read.
            let selects = |_: &Subject<'_>, labels: &_| self.options.selector.selects_labels(labels);
            let steps = steps(self.kind, entries, &now, selects, last);
            let mut lines = Vec::new();
            for step in steps {
                let object = self.content(&step, now.get(&step.subject.uid));
                lines.push((step.revision, self.form.event(step.event, object, step.revision)));
            }
            for (revision, line) in lines {
                events.send(line).await?;
                self.sent = Some(revision);
                self.advance_to(revision);
            }
            position = self.advance_to(last);
            sleep(PAUSE).await;
        }
    }

    fn advance_to(&mut self, revision: Revision) -> Revision {
        self.position = Some(revision);
        revision
    }

    fn changes(&self) -> &Changes {
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
                && self.options.selector.selects_place(subject.namespace.as_str(), subject.name);
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
                    bytes += self.kind.meta(state).members.map_or(0, json::size_of_members);
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

    /// The uids of the objects that were read and whose members are selected. The members that can be selected by never change,
    /// so their last known value was always theirs.
    fn selected_by_members<'n>(&self, read: &'n Objects<K>, changes: &[Arc<Change>]) -> HashSet<&'n str> {
        let selects = |state: &K::State| self.options.selector.selects_members(self.kind.meta(state).members);
        let last = |uid: &str| {
            changes.iter().find_map(|change| match &change.effect {
                ChangeEffect::Removed(last) => {
                    let about = self.kind.subject(&change.subject).is_some_and(|subject| subject.uid == *uid);
                    self.kind.last(last).filter(|_| about)
                }
                ChangeEffect::Added | ChangeEffect::Modified { .. } => None,
            })
        };
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
            let removed = |uid: &str| {
                changes.iter().any(|change| match change.effect {
                    ChangeEffect::Removed(_) => self.kind.subject(&change.subject).is_some_and(|s| s.uid == *uid),
                    ChangeEffect::Added | ChangeEffect::Modified { .. } => false,
                })
            };
            let whole = read.iter().all(|(uid, now)| match now {
                Current::Found(state) => self.kind.meta(state).revision <= head.max(position),
                Current::Gone => removed(uid),
                Current::Unreadable => true,
            });
            if whole {
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
