//! Hearing of every object of a kind, and of every change after that.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tracing::warn;

use super::{App, chain};
use crate::{
    grant::Revision,
    store::{ChangeSubject, ObjectKey, ObjectKind, ObjectPage, ObjectQuery, PageLimit},
};

/// How long the store is left alone when it cannot be listed.
const PAUSE: Duration = Duration::from_secs(1);

/// What a controller is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// This object is there, or has changed, or is gone.
    Of(ObjectKey),
    /// Changes were missed: any object that is known may be gone or different. Those that are there are told of next.
    Anything,
}

/// What a controller wants to hear of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interest {
    /// Every object of this kind, and its changes.
    pub(super) kind: ObjectKind,
    /// Changes of objects of these kinds.
    pub(super) also: &'static [ObjectKind],
}

/// Tells of all objects, then of every change, until nobody listens.
///
/// A listener that is slow misses nothing: what the ring of changes has forgotten by then is listed again.
pub(super) async fn follow(app: Arc<App>, interest: Interest, news: mpsc::Sender<News>) {
    tokio::select! {
        () = news.closed() => {}
        // Ends only when nobody listens.
        _ = tell(&app, interest, &news) => {}
    }
}

type Told<T> = Result<T, mpsc::error::SendError<News>>;

async fn tell(app: &App, interest: Interest, news: &mpsc::Sender<News>) -> Told<()> {
    loop {
        let mut told = list_all(app, interest.kind, news).await?;
        loop {
            // Read first: whatever it counts is in the ring by then. It moves on also where nothing is told, so that a
            // quiet follower is not behind what the ring remembers.
            let head = app.changes().head();
            let Ok(changes) = app.changes().since(told) else { break };
            told = told.max(head);
            for change in changes {
                match &change.subject {
                    ChangeSubject::Object { key, .. }
                        if interest.kind == key.kind || interest.also.contains(&key.kind) =>
                    {
                        news.send(News::Of(key.clone())).await?;
                    }
                    ChangeSubject::Object { .. } | ChangeSubject::Grant { .. } => {}
                }
                told = told.max(change.revision);
            }
            app.changes().wait_past(told).await;
        }
        news.send(News::Anything).await?;
    }
}

/// Tells of every object there is; answers the revision from which on changes have to be told.
async fn list_all(app: &App, kind: ObjectKind, news: &mpsc::Sender<News>) -> Told<Revision> {
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
        // What changes while the other pages are read is told after them.
        let begun = *begun.get_or_insert(revision);
        for row in corrupt {
            warn!(object.id = row.id, error = row.what, "a stored object cannot be read and is left alone");
        }
        for object in objects {
            news.send(News::Of(object.key)).await?;
        }
        if next.is_none() {
            return Ok(begun);
        }
        after = next;
    }
}
