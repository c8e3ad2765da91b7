//! The loop of a controller: which objects to look at, and when.
//!
//! It looks at an object whenever that may have changed, and when its time has come; never twice at once at the same
//! one. What happened is not told to the controller: it sees how things are, and acts on that.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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
    follow::{Interest, News, follow},
    service::App,
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
    /// Not by itself, but also when something else changes that [concerns](Controller::concerns) it.
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
    /// The objects looked at, and those whose change may be a reason to look at known ones of their namespace.
    const INTEREST: Interest;

    /// Whether the change of `other`, an object of its namespace, is a reason to look at the object of this key, of which
    /// this is remembered. To be answered without much ado: it is asked of every object for every change.
    fn concerns(other: &ObjectKey, key: &ObjectKey, memory: &Self::Memory) -> bool;

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
    let mut desk = Desk::new(controller);
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
    /// Those of the entries that are due and not looked at.
    calendar: BTreeSet<(Instant, ObjectKey)>,
    running: JoinSet<(Next, C::Memory)>,
    keys: HashMap<Id, ObjectKey>,
}

impl<C: Controller> Desk<C> {
    fn new(controller: Arc<C>) -> Self {
        Self {
            controller,
            entries: BTreeMap::new(),
            calendar: BTreeSet::new(),
            running: JoinSet::new(),
            keys: HashMap::new(),
        }
    }

    fn hear(&mut self, news: News) {
        let now = Instant::now();
        let touched: Vec<ObjectKey> = match news {
            News::Of(key) if key.kind == C::INTEREST.kind => {
                self.entries
                    .entry(key.clone())
                    .or_insert_with(|| Entry { memory: Some(C::Memory::default()), due: None });
                vec![key]
            }
            News::Of(other) => {
                let concerned = |(key, entry): &(&ObjectKey, &Entry<C::Memory>)| {
                    // While somebody looks at it, nobody knows.
                    let concerns = |memory| C::concerns(&other, key, memory);
                    key.namespace == other.namespace && entry.memory.as_ref().is_none_or(concerns)
                };
                self.entries.iter().filter(concerned).map(|(key, _)| key.clone()).collect()
            }
            News::Anything => self.entries.keys().cloned().collect(),
        };
        for key in touched {
            self.schedule(key, now);
        }
    }

    /// Has the object looked at then or sooner.
    fn schedule(&mut self, key: ObjectKey, at: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let before = entry.due;
        let due = before.map_or(at, |sooner| sooner.min(at));
        entry.due = Some(due);
        if entry.memory.is_some() {
            if let Some(before) = before {
                self.calendar.remove(&(before, key.clone()));
            }
            self.calendar.insert((due, key));
        }
    }

    /// When the first of those that nobody looks at is due.
    fn next_due(&self) -> Option<Instant> {
        self.calendar.first().map(|(due, _)| *due)
    }

    fn start_due(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some((_, key)) = self.calendar.pop_first() else { return };
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.due = None;
            let Some(mut memory) = entry.memory.take() else { continue };
            let (controller, looked_at) = (Arc::clone(&self.controller), key.clone());
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
        entry.memory = Some(memory);
        // What has changed while it was looked at is looked at once more.
        let touched = entry.due.take();
        let due = match next {
            Next::Forget if touched.is_none() => {
                self.entries.remove(&key);
                return;
            }
            Next::Forget | Next::Idle => touched,
            Next::At(at) => Some(touched.map_or(at, |sooner| sooner.min(at))),
        };
        if let Some(due) = due {
            self.schedule(key, due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;
    use crate::store::ObjectKind;

    /// Remembers how often it looked; stops at a look until told, and says to come back after a minute.
    #[derive(Default)]
    struct Slow {
        go: Notify,
        looks: AtomicU32,
    }

    impl Controller for Slow {
        type Memory = u32;
        const INTEREST: Interest = Interest { kind: ObjectKind::Link, also: &[ObjectKind::Secret] };

        fn concerns(other: &ObjectKey, _: &ObjectKey, _: &u32) -> bool {
            other.name.as_str() == "keys"
        }

        async fn reconcile(&self, key: &ObjectKey, memory: &mut u32) -> Next {
            self.looks.fetch_add(1, Ordering::SeqCst);
            self.go.notified().await;
            *memory += 1;
            match key.name.as_str() {
                "broken" => panic!("as a test wants it"),
                "gone" => Next::Forget,
                "idle" => Next::Idle,
                _ => Next::after(Duration::from_secs(60)),
            }
        }
    }

    fn key(kind: ObjectKind, namespace: &str, name: &str) -> ObjectKey {
        ObjectKey { kind, namespace: namespace.parse().unwrap(), name: name.parse().unwrap() }
    }

    fn link(name: &str) -> ObjectKey {
        key(ObjectKind::Link, "west", name)
    }

    fn desk() -> Desk<Slow> {
        Desk::new(Arc::default())
    }

    /// Starts what is due, and lets one look end.
    async fn look(desk: &mut Desk<Slow>) {
        desk.start_due(Instant::now());
        desk.controller.go.notify_one();
        let finished = desk.running.join_next_with_id().await.unwrap();
        desk.finish(finished);
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_while_it_is_looked_at_is_looked_at_once_more_and_not_at_the_same_time() {
        for name in ["any", "idle", "gone"] {
            let mut desk = desk();
            desk.hear(News::Of(link(name)));
            desk.start_due(Instant::now());
            desk.hear(News::Of(link(name)));
            desk.hear(News::Of(link(name)));
            desk.start_due(Instant::now());
            assert_eq!(desk.running.len(), 1);

            look(&mut desk).await;
            assert!(desk.next_due().is_some_and(|due| due <= Instant::now()), "{name}");
            look(&mut desk).await;
            assert!(desk.next_due().is_none_or(|due| due > Instant::now()), "{name}");
            assert_eq!(desk.controller.looks.load(Ordering::SeqCst), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_is_looked_at_again_when_its_time_has_come_or_sooner_when_it_changes() {
        let mut desk = desk();
        desk.hear(News::Of(link("any")));
        look(&mut desk).await;
        let due = desk.next_due().unwrap();
        assert_eq!(due, Instant::now() + Duration::from_secs(60));

        desk.start_due(due - Duration::from_secs(1));
        assert_eq!(desk.running.len(), 0);
        desk.hear(News::Of(key(ObjectKind::Secret, "east", "keys")));
        assert_eq!(desk.next_due(), Some(due), "another namespace");
        desk.hear(News::Of(key(ObjectKind::Secret, "west", "other")));
        assert_eq!(desk.next_due(), Some(due), "of no concern");
        desk.hear(News::Of(key(ObjectKind::Secret, "west", "keys")));
        assert_eq!(desk.next_due(), Some(Instant::now()));
        assert_eq!(desk.calendar.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_with_is_forgotten_and_what_is_idle_is_looked_at_when_changes_were_missed() {
        let mut desk = desk();
        for name in ["gone", "idle"] {
            desk.hear(News::Of(link(name)));
            look(&mut desk).await;
        }
        assert_eq!(desk.entries.len(), 1);
        assert_eq!(desk.next_due(), None);

        desk.hear(News::Anything);
        assert_eq!(desk.next_due(), Some(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_breaks_off_is_repeated_later() {
        let mut desk = desk();
        desk.hear(News::Of(link("broken")));

        look(&mut desk).await;

        assert_eq!(desk.next_due(), Some(Instant::now() + PAUSE_AFTER_FAULT));
    }
}
