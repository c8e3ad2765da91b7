//! One watch: sends the objects of a type as they change, for as long as its client reads
//! (docs/kubernetes-api.md section 4.4).
//!
//! Which objects changed is read from the store's ring of [`Changes`](crate::store::Changes), their present state from the store itself. Each event
//! carries the revision of its change, not that of the object it shows: a client that resumes from it misses nothing.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    event::{self, EventType, Form},
    shared::SharedEvents,
    source::{EventSource, Found, Made},
    stream::{self, ClientGone, Events},
};
use crate::{
    app::{App, MemoryShare},
    grant::{Namespace, Revision},
    kube::{
        catalog::table::TableForm,
        engine::{
            kind::Kind,
            options::{Bookmarks, EndOfInitialEvents, Start, WatchOptions},
            outcome::{Content, Outcome},
            shares::Place,
        },
        problem::status::Problem,
    },
    store::ChangesError,
};

/// The most watches at the same time, of all users; further ones are answered 429.
pub(crate) const MOST_WATCHES: usize = 256;
/// How long events wait for a client that reads nothing, before its watch ends.
const SEND_DEADLINE: Duration = Duration::from_secs(30);
/// How often a bookmark is sent, if the position of the watch has changed without an event.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// The pause after events, so that an object that changes all the time is not sent more often.
const PAUSE: Duration = Duration::from_millis(20);

/// Which objects a watch is about, and the form of its events.
#[derive(Debug)]
pub(crate) struct WatchRequest {
    pub(crate) namespace: Option<Namespace>,
    pub(crate) options: WatchOptions,
    pub(crate) table: Option<TableForm>,
    /// The memory of the client for the events that it has not read.
    pub(crate) memory: MemoryShare,
    /// The long events of other watches.
    pub(crate) shared: Arc<SharedEvents>,
}

/// Opens a watch, which keeps its place until it ends: at its time limit, when the server stops, or when its client reads
/// no events.
///
/// # Errors
/// 503 when the store does not answer. A later failure is sent as an event.
pub(crate) async fn open<K: Kind>(
    app: &Arc<App>,
    kind: K,
    request: WatchRequest,
    place: Place,
) -> Result<Outcome, Problem> {
    app.revision().await.map_err(|error| Problem::from_store(&error))?;
    let (events, stream) = stream::pair(SEND_DEADLINE);
    let watch = Watch::new(Arc::clone(app), kind, request);
    tokio::spawn(async move {
        watch.run(events).await;
        drop(place);
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

struct Watch<K> {
    source: EventSource<K>,
    start: Start,
    end_of_initial_events: EndOfInitialEvents,
    bookmarks: Bookmarks,
    lasts: Duration,
    /// All changes up to this revision are sent; `None` while the initial events are being sent.
    position: Option<Revision>,
    /// The last revision that was sent.
    sent: Option<Revision>,
}

impl<K: Kind> Watch<K> {
    fn new(app: Arc<App>, kind: K, request: WatchRequest) -> Self {
        let WatchRequest { namespace, options, table, memory, shared } = request;
        let WatchOptions { selector, start, end_of_initial_events, bookmarks, lasts } = options;
        let form = Form { resource: kind.resource(), table, clock: app.clock().clone() };
        let source = EventSource { app, kind, namespace, selector, form, memory, shared };
        Self { source, start, end_of_initial_events, bookmarks, lasts, position: None, sent: None }
    }

    async fn run(mut self, events: Events) {
        let (app, lasts) = (Arc::clone(&self.source.app), self.lasts);
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
                if let (Bookmarks::Sent, Some(position)) = (self.bookmarks, self.position) {
                    // Not waited for: a client that has not read the events before this bookmark has no use for it.
                    events.send_unless_full(self.source.form.bookmark(position));
                }
            }
        }
        events.finish();
    }

    /// Sends what exists, if the client asked for it, and then what changes, until something fails.
    async fn follow(&mut self, events: &Events) -> Result<Infallible, End> {
        let start = match self.start {
            Start::After(revision) => revision,
            Start::Now => self.source.changes().head(),
            Start::All { at_least } => {
                if let Some(Err(ChangesError::Future { head })) =
                    at_least.map(|least| self.source.changes().since(least))
                {
                    let revision = at_least.unwrap_or(head);
                    return Err(Problem::Expired { revision, head }.into());
                }
                let revision = self.send_all(events).await?;
                if let (Bookmarks::Sent, EndOfInitialEvents::Sent) = (self.bookmarks, self.end_of_initial_events) {
                    events.send(self.source.form.end_of_initial_events(revision)).await?;
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
                () = self.source.changes().wait_past(position) => {}
                () = sleep_until(bookmark_at) => {}
            }
            if Instant::now() >= bookmark_at {
                bookmark_at = Instant::now() + BOOKMARK_INTERVAL;
                if self.bookmarks == Bookmarks::Sent && self.sent < Some(position) {
                    events.send(self.source.form.bookmark(position)).await?;
                    self.sent = Some(position);
                }
            }
        }
    }

    /// Sends all that exists, and returns the revision after which changes are to be sent.
    async fn send_all(&mut self, events: &Events) -> Result<Revision, End> {
        let (mut first, mut after) = (None, None);
        loop {
            let (revision, made) = self.source.initial_events(first, after.clone()).await?;
            first = Some(revision);
            for (sent, line) in made.lines {
                events.send(line).await?;
                after = sent;
            }
            match (made.missing, made.end) {
                (Some(bytes), _) => self.source.wait_for_memory(bytes).await?,
                (None, None) => return Ok(revision),
                (None, next) => after = next,
            }
        }
    }

    /// Sends all changes after `position`, and returns the position after them.
    async fn catch_up(&mut self, mut position: Revision, events: &Events) -> Result<Revision, End> {
        loop {
            let Made { lines, end, missing } = match self.source.next_events(position).await? {
                Found::Nothing { up_to } => return Ok(self.advance_to(up_to)),
                Found::Events(made) => made,
            };
            for (revision, line) in lines {
                events.send(line).await?;
                self.sent = Some(revision);
                position = self.advance_to(revision);
            }
            match missing {
                Some(bytes) => self.source.wait_for_memory(bytes).await?,
                None => {
                    position = self.advance_to(end);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn advance_to(&mut self, revision: Revision) -> Revision {
        self.position = Some(revision);
        revision
    }
}
