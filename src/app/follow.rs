//! Publishes an event for every object of a kind, and for every change after that.

use std::time::Duration;

use tokio::sync::mpsc;
use tracing::warn;

use super::{chain::chain, service::App};
use crate::{
    grant::Revision,
    store::{ChangeSubject, ObjectKey, ObjectKind, ObjectPage, ObjectQuery, PageLimit},
};

/// How long to wait before the store is listed again when that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What a controller receives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// This object exists, or has changed, or was deleted.
    Object(ObjectKey),
    /// Changes were missed: any known object may be deleted or different. An event for each object that exists follows.
    Missed,
}

/// The events that a controller subscribes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interest {
    /// Every object of this kind, and its changes.
    pub(super) kind: ObjectKind,
    /// Changes of objects of these kinds.
    pub(super) also: &'static [ObjectKind],
}

/// Publishes an event for each object, then for each change, until the receiver is closed.
///
/// A slow receiver misses nothing: when the ring of changes has dropped some of them by then, all objects are listed again.
pub(super) async fn follow(app: &App, interest: Interest, events: mpsc::Sender<Event>) {
    tokio::select! {
        () = events.closed() => {}
        // Ends only when the receiver is closed.
        _ = publish(app, interest, &events) => {}
    }
}

type Published<T> = Result<T, mpsc::error::SendError<Event>>;

async fn publish(app: &App, interest: Interest, events: &mpsc::Sender<Event>) -> Published<()> {
    loop {
        let mut published = list_all(app, interest.kind, events).await?;
        loop {
            // Read before the changes: every change up to this revision is in the ring by now. The position moves on to it
            // also when no change is of interest, so that a follower of rare objects does not fall behind the ring.
            let head = app.changes().head();
            let Ok(changes) = app.changes().since(published) else { break };
            published = published.max(head);
            for change in changes {
                match &change.subject {
                    ChangeSubject::Object { key, .. }
                        if interest.kind == key.kind || interest.also.contains(&key.kind) =>
                    {
                        events.send(Event::Object(key.clone())).await?;
                    }
                    ChangeSubject::Object { .. } | ChangeSubject::Grant { .. } => {}
                }
                published = published.max(change.revision);
            }
            app.changes().wait_past(published).await;
        }
        events.send(Event::Missed).await?;
    }
}

/// Publishes an event for every object that exists; answers the revision after which changes have to be published.
async fn list_all(app: &App, kind: ObjectKind, events: &mpsc::Sender<Event>) -> Published<Revision> {
    let mut begun = None;
    let mut after = None;
    loop {
        let query = ObjectQuery { kind, namespace: None, after: after.clone(), limit: PageLimit::FULL };
        let ObjectPage { objects, corrupt, revision, next } = match app.objects(query).await {
            Ok(page) => page,
            Err(error) => {
                warn!(object.kind = kind.as_str(), error = %chain(&error), "objects could not be listed; trying again");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // The revision of the first page: what changes while the other pages are read is published after the list.
        let begun = *begun.get_or_insert(revision);
        for row in corrupt {
            warn!(object.id = row.id, error = row.what, "a stored object cannot be read and is left alone");
        }
        for object in objects {
            events.send(Event::Object(object.key)).await?;
        }
        if next.is_none() {
            return Ok(begun);
        }
        after = next;
    }
}
