//! The loop of a controller: which objects to look at, and when.
//!
//! It looks at an object whenever that may have changed, and when its time has come; never twice at once at the same
//! one. What happened is not told to the controller: it sees how things are, and acts on that.

use std::{
    collections::{BTreeMap, HashMap},
    future::{Future, pending},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until},
};
use tracing::error;

use super::{
    App,
    follow::{Interest, News, follow},
};
use crate::store::ObjectKey;

/// How long an object is left alone when looking at it went wrong in a way nobody thought of.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(60);
/// News that wait while the loop is busy; further ones wait where they come from.
const MOST_NEWS: usize = 64;

/// When to look at an object again, if nothing changes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Never; what was remembered of it is forgotten.
    Forget,
    /// Not by itself, but also when something else in its namespace changes.
    Idle,
    /// Then.
    At(Instant),
}

impl Next {
    /// After this long.
    pub(super) fn after(pause: Duration) -> Self {
        Self::At(Instant::now() + pause)
    }
}

/// What is done with objects of one kind.
pub(super) trait Controller: Send + Sync + 'static {
    /// What is remembered of an object from one look to the next.
    type Memory: Default + Send + 'static;
    /// The objects looked at, and those whose change is a reason to look at all the known ones of their namespace.
    const INTEREST: Interest;

    /// Looks at the object of this key, and does what there is to do.
    ///
    /// When the service stops, what is running is finished: a future that may wait for long has to mind
    /// [`App::stopping`].
    fn reconcile(&self, key: &ObjectKey, memory: &mut Self::Memory) -> impl Future<Output = Next> + Send;
}

/// Runs a controller until the service stops; then finishes what is running.
pub(super) async fn run<C: Controller>(app: Arc<App>, controller: Arc<C>) {
    let (tell, mut news) = mpsc::channel(MOST_NEWS);
    let following = tokio::spawn(follow(Arc::clone(&app), C::INTEREST, tell));
    let mut desk = Desk { controller, entries: BTreeMap::new(), running: JoinSet::new(), keys: HashMap::new() };
    loop {
        desk.start_due(Instant::now());
        let next_due = desk.next_due();
        tokio::select! {
            () = app.stopping() => break,
            Some(news) = news.recv() => desk.hear(news),
            Some(finished) = desk.running.join_next_with_id() => desk.finish(finished),
            () = sleep_until_some(next_due) => {}
        }
    }
    drop(news);
    while desk.running.join_next().await.is_some() {}
    // It ends as nobody listens any more.
    let _ = following.await;
}

async fn sleep_until_some(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// What is known of one object.
struct Entry<M> {
    /// Absent while somebody looks at it.
    memory: Option<M>,
    /// When to look next.
    due: Option<Instant>,
}

/// The objects, and the looks in progress.
struct Desk<C: Controller> {
    controller: Arc<C>,
    entries: BTreeMap<ObjectKey, Entry<C::Memory>>,
    running: JoinSet<(Next, C::Memory)>,
    keys: HashMap<Id, ObjectKey>,
}

impl<C: Controller> Desk<C> {
    fn hear(&mut self, news: News) {
        let now = Instant::now();
        match news {
            News::Of(key) if key.kind == C::INTEREST.kind => {
                self.entries
                    .entry(key)
                    .or_insert_with(|| Entry { memory: Some(C::Memory::default()), due: None })
                    .due = Some(now);
            }
            News::Of(other) => {
                let neighbours = self.entries.iter_mut().filter(|(key, _)| key.namespace == other.namespace);
                neighbours.for_each(|(_, entry)| entry.due = Some(now));
            }
            News::Anything => self.entries.values_mut().for_each(|entry| entry.due = Some(now)),
        }
    }

    /// When the first of those that nobody looks at is due.
    fn next_due(&self) -> Option<Instant> {
        self.entries.values().filter(|entry| entry.memory.is_some()).filter_map(|entry| entry.due).min()
    }

    fn start_due(&mut self, now: Instant) {
        for (key, entry) in &mut self.entries {
            if entry.due.is_none_or(|due| due > now) {
                continue;
            }
            let Some(mut memory) = entry.memory.take() else { continue };
            entry.due = None;
            let (controller, key) = (Arc::clone(&self.controller), key.clone());
            let looked_at = key.clone();
            let task = self.running.spawn(async move {
                let next = controller.reconcile(&looked_at, &mut memory).await;
                (next, memory)
            });
            self.keys.insert(task.id(), key);
        }
    }

    fn finish(&mut self, finished: Result<(Id, (Next, C::Memory)), JoinError>) {
        let (id, next, memory) = match finished {
            Ok((id, (next, memory))) => (id, next, memory),
            Err(fault) => {
                error!(error = %fault, "a controller broke off; it goes on later");
                (fault.id(), Next::after(PAUSE_AFTER_FAULT), C::Memory::default())
            }
        };
        let Some(key) = self.keys.remove(&id) else { return };
        let Some(entry) = self.entries.get_mut(&key) else { return };
        match next {
            // Unless something has changed meanwhile: then it is looked at once more.
            Next::Forget if entry.due.is_none() => {
                self.entries.remove(&key);
                return;
            }
            Next::Forget | Next::Idle => {}
            Next::At(due) => entry.due = Some(entry.due.map_or(due, |sooner| sooner.min(due))),
        }
        entry.memory = Some(memory);
    }
}
