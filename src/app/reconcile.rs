//! The loop of a controller: which objects to reconcile, and when.
//!
//! An object is reconciled whenever it may have changed, and when its time has come; never by two tasks at once. The
//! controller does not get the event: it reads the object's present state and acts on that, so it may be called once too
//! often, and survives a restart.

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
    background::BackgroundTask,
    follow::{Event, Interest, follow},
    service::App,
};
use crate::store::ObjectKey;

/// How long to wait before an object is reconciled again after its task panicked.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(60);
/// Events that wait while the loop is busy; the follower waits with further ones.
const MOST_EVENTS: usize = 64;

/// When to reconcile an object again, if nothing changes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requeue {
    /// Never, and the controller's memory of it is dropped.
    Forget,
    /// When the object changes, or another one that [concerns](Controller::concerns) it.
    OnEvent,
    /// At this time, or when it changes before.
    At(Instant),
}

impl Requeue {
    /// After this pause.
    pub(super) fn after(pause: Duration) -> Self {
        Self::At(Instant::now() + pause)
    }
}

/// What is done with objects of one kind.
pub(super) trait Controller: Send + Sync + 'static {
    /// What the controller remembers of an object from one call to the next.
    type Memory: Default + Send + 'static;
    /// The objects to reconcile, and those whose change may be a reason to reconcile known ones of their namespace.
    const INTEREST: Interest;
    /// The task that runs it.
    const TASK: BackgroundTask;

    /// Whether the change of `other`, an object of the same namespace, is a reason to reconcile the object of this key.
    /// Called for every known object at every change, so it must be cheap.
    fn concerns(other: &ObjectKey, key: &ObjectKey, memory: &Self::Memory) -> bool;

    /// Reads the object of this key, and does what there is to do.
    ///
    /// When the service stops, calls in progress are waited for: a future that may take long must end at
    /// [`App::stopping`].
    fn reconcile(&self, key: &ObjectKey, memory: &mut Self::Memory) -> impl Future<Output = Requeue> + Send;
}

/// Runs a controller until the service stops; then waits for the calls in progress.
pub(super) async fn run<C: Controller>(app: Arc<App>, controller: Arc<C>) {
    let following = Arc::clone(&app);
    app.supervised(C::TASK, reconcile_all(&app, following, controller)).await;
}

async fn reconcile_all<C: Controller>(app: &App, following: Arc<App>, controller: Arc<C>) {
    let (sender, mut events) = mpsc::channel(MOST_EVENTS);
    let following = tokio::spawn(async move {
        following.supervised(BackgroundTask::Events, follow(&following, C::INTEREST, sender)).await;
    });
    let mut queue = WorkQueue::new(controller);
    loop {
        queue.start_due(Instant::now());
        let next_due = queue.next_due();
        tokio::select! {
            () = app.stopping() => break,
            Some(event) = events.recv() => queue.enqueue(event),
            Some(finished) = queue.running.join_next_with_id() => queue.finish(finished),
            () = sleep_until_some(next_due) => {}
        }
    }
    drop(events);
    while queue.running.join_next().await.is_some() {}
    // The follower ends now, because its receiver is dropped.
    let _ = following.await;
}

async fn sleep_until_some(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// One known object.
struct Entry<M> {
    /// Absent while a task reconciles the object.
    memory: Option<M>,
    /// When to reconcile it next.
    due: Option<Instant>,
}

/// The known objects, when each is due, and the tasks in progress.
struct WorkQueue<C: Controller> {
    controller: Arc<C>,
    entries: BTreeMap<ObjectKey, Entry<C::Memory>>,
    /// The entries that have a due time and no task.
    calendar: BTreeSet<(Instant, ObjectKey)>,
    running: JoinSet<(Requeue, C::Memory)>,
    keys: HashMap<Id, ObjectKey>,
}

impl<C: Controller> WorkQueue<C> {
    fn new(controller: Arc<C>) -> Self {
        Self {
            controller,
            entries: BTreeMap::new(),
            calendar: BTreeSet::new(),
            running: JoinSet::new(),
            keys: HashMap::new(),
        }
    }

    /// Makes the objects due that the event is about.
    fn enqueue(&mut self, event: Event) {
        let now = Instant::now();
        let touched: Vec<ObjectKey> = match event {
            Event::Object(key) if key.kind == C::INTEREST.kind => {
                self.entries
                    .entry(key.clone())
                    .or_insert_with(|| Entry { memory: Some(C::Memory::default()), due: None });
                vec![key]
            }
            Event::Object(other) => {
                let concerned = |(key, entry): &(&ObjectKey, &Entry<C::Memory>)| {
                    // While a task has the memory, the object is made due to be safe.
                    let concerns = |memory| C::concerns(&other, key, memory);
                    key.namespace == other.namespace && entry.memory.as_ref().is_none_or(concerns)
                };
                self.entries.iter().filter(concerned).map(|(key, _)| key.clone()).collect()
            }
            Event::Missed => self.entries.keys().cloned().collect(),
        };
        for key in touched {
            self.schedule(key, now);
        }
    }

    /// Makes the object due at this time, or leaves an earlier one.
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

    /// When the first object without a task is due.
    fn next_due(&self) -> Option<Instant> {
        self.calendar.first().map(|(due, _)| *due)
    }

    fn start_due(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some((_, key)) = self.calendar.pop_first() else { return };
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.due = None;
            let Some(mut memory) = entry.memory.take() else { continue };
            let (controller, task_key) = (Arc::clone(&self.controller), key.clone());
            let task = self.running.spawn(async move {
                let next = controller.reconcile(&task_key, &mut memory).await;
                (next, memory)
            });
            self.keys.insert(task.id(), key);
        }
    }

    fn finish(&mut self, finished: Result<(Id, (Requeue, C::Memory)), JoinError>) {
        let (id, next, memory) = match finished {
            Ok((id, (next, memory))) => (id, next, memory),
            Err(fault) => {
                error!(error = %fault, "a controller panicked; the object is tried again later");
                (fault.id(), Requeue::after(PAUSE_AFTER_FAULT), C::Memory::default())
            }
        };
        let Some(key) = self.keys.remove(&id) else { return };
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.memory = Some(memory);
        // A change during the call may have been read or not, so the object is reconciled once more.
        let touched = entry.due.take();
        let due = match next {
            Requeue::Forget if touched.is_none() => {
                self.entries.remove(&key);
                return;
            }
            Requeue::Forget | Requeue::OnEvent => touched,
            Requeue::At(at) => Some(touched.map_or(at, |sooner| sooner.min(at))),
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

    /// A controller that counts its calls. Each call waits for `go`, and asks for another one after a minute.
    #[derive(Default)]
    struct Slow {
        go: Notify,
        calls: AtomicU32,
    }

    impl Controller for Slow {
        type Memory = u32;
        const INTEREST: Interest = Interest { kind: ObjectKind::Link, also: &[ObjectKind::Secret] };
        const TASK: BackgroundTask = BackgroundTask::Links;

        fn concerns(other: &ObjectKey, _: &ObjectKey, _: &u32) -> bool {
            other.name.as_str() == "keys"
        }

        async fn reconcile(&self, key: &ObjectKey, memory: &mut u32) -> Requeue {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.go.notified().await;
            *memory += 1;
            match key.name.as_str() {
                "broken" => panic!("the test wants this panic"),
                "gone" => Requeue::Forget,
                "idle" => Requeue::OnEvent,
                _ => Requeue::after(Duration::from_secs(60)),
            }
        }
    }

    fn key(kind: ObjectKind, namespace: &str, name: &str) -> ObjectKey {
        ObjectKey { kind, namespace: namespace.parse().unwrap(), name: name.parse().unwrap() }
    }

    fn link(name: &str) -> ObjectKey {
        key(ObjectKind::Link, "west", name)
    }

    fn queue() -> WorkQueue<Slow> {
        WorkQueue::new(Arc::default())
    }

    /// Starts what is due, and lets one call end.
    async fn reconcile_one(queue: &mut WorkQueue<Slow>) {
        queue.start_due(Instant::now());
        queue.controller.go.notify_one();
        let finished = queue.running.join_next_with_id().await.unwrap();
        queue.finish(finished);
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_changes_during_a_call_is_reconciled_once_more_and_not_at_the_same_time() {
        for name in ["any", "idle", "gone"] {
            let mut queue = queue();
            queue.enqueue(Event::Object(link(name)));
            queue.start_due(Instant::now());
            queue.enqueue(Event::Object(link(name)));
            queue.enqueue(Event::Object(link(name)));
            queue.start_due(Instant::now());
            assert_eq!(queue.running.len(), 1);

            reconcile_one(&mut queue).await;
            assert!(queue.next_due().is_some_and(|due| due <= Instant::now()), "{name}");
            reconcile_one(&mut queue).await;
            assert!(queue.next_due().is_none_or(|due| due > Instant::now()), "{name}");
            assert_eq!(queue.controller.calls.load(Ordering::SeqCst), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_is_reconciled_again_when_its_time_has_come_or_sooner_when_it_changes() {
        let mut queue = queue();
        queue.enqueue(Event::Object(link("any")));
        reconcile_one(&mut queue).await;
        let due = queue.next_due().unwrap();
        assert_eq!(due, Instant::now() + Duration::from_secs(60));

        queue.start_due(due - Duration::from_secs(1));
        assert_eq!(queue.running.len(), 0);
        queue.enqueue(Event::Object(key(ObjectKind::Secret, "east", "keys")));
        assert_eq!(queue.next_due(), Some(due), "another namespace");
        queue.enqueue(Event::Object(key(ObjectKind::Secret, "west", "other")));
        assert_eq!(queue.next_due(), Some(due), "of no concern");
        queue.enqueue(Event::Object(key(ObjectKind::Secret, "west", "keys")));
        assert_eq!(queue.next_due(), Some(Instant::now()));
        assert_eq!(queue.calendar.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_finished_object_is_forgotten_and_an_idle_one_is_reconciled_when_changes_were_missed() {
        let mut queue = queue();
        for name in ["gone", "idle"] {
            queue.enqueue(Event::Object(link(name)));
            reconcile_one(&mut queue).await;
        }
        assert_eq!(queue.entries.len(), 1);
        assert_eq!(queue.next_due(), None);

        queue.enqueue(Event::Missed);
        assert_eq!(queue.next_due(), Some(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_panics_is_repeated_later() {
        let mut queue = queue();
        queue.enqueue(Event::Object(link("broken")));

        reconcile_one(&mut queue).await;

        assert_eq!(queue.next_due(), Some(Instant::now() + PAUSE_AFTER_FAULT));
    }
}
