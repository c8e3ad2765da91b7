//! Events on their way to a client: a few wait for it, and whoever takes none for too long is cut off.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tracing::debug;

/// As many events wait for a client.
const MOST_WAITING: usize = 16;

/// Where events go in.
#[derive(Debug)]
pub(super) struct Events {
    sender: mpsc::Sender<Bytes>,
    finished: Arc<AtomicBool>,
    deadline: Duration,
}

/// Where they come out: the body of an answer.
///
/// It ends well only if the watch has said so; else it breaks off, and the client knows that there was more.
#[derive(Debug)]
pub(in crate::kube) struct EventStream {
    receiver: mpsc::Receiver<Bytes>,
    finished: Arc<AtomicBool>,
}

/// Nobody takes the events any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost;

/// A watch ended without having told all it had to.
#[derive(Debug, thiserror::Error)]
#[error("the watch broke off")]
pub(in crate::kube) struct BrokenOff;

/// A stream of events that waits so long for a client.
pub(super) fn pair(deadline: Duration) -> (Events, EventStream) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    let finished = Arc::new(AtomicBool::new(false));
    (Events { sender, finished: Arc::clone(&finished), deadline }, EventStream { receiver, finished })
}

impl Events {
    /// Waits until there is room for the event.
    ///
    /// # Errors
    /// [`Lost`] when the client is gone or takes nothing.
    pub(super) async fn send(&self, line: Bytes) -> Result<(), Lost> {
        match self.sender.send_timeout(line, self.deadline).await {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(_)) => Err(Lost),
            Err(SendTimeoutError::Timeout(_)) => {
                debug!("a watch was cut: its client takes no events");
                Err(Lost)
            }
        }
    }

    /// Sends the event unless others are still waiting in its place.
    pub(super) fn send_if_room(&self, line: Bytes) {
        let _ = self.sender.try_send(line);
    }

    /// Waits until the client is gone.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Nothing is left to be told.
    pub(super) fn finish(self) {
        self.finished.store(true, Ordering::Release);
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        Poll::Ready(match ready!(self.receiver.poll_recv(context)) {
            Some(line) => Some(Ok(Frame::data(line))),
            None if self.finished.load(Ordering::Acquire) => None,
            None => Some(Err(BrokenOff)),
        })
    }
}
