//! The queue of events between a watch and its client. It is short, and a client that reads none for too long is
//! disconnected.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::Bytes;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, error::SendTimeoutError},
    },
    time::timeout,
};
use tracing::debug;

use super::shared::SharedBytes;

/// The most events that wait for a client.
const MOST_WAITING: usize = 16;
/// The most bytes of the events that wait for a client; a single event may be longer.
const MOST_BYTES_WAITING: u32 = 128 * 1024;

/// An event as it is sent.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) bytes: Bytes,
    /// What counts its memory; `None` for events without an object, which are short.
    pub(crate) shared: Option<Arc<SharedBytes>>,
}

/// The sending end.
#[derive(Debug)]
pub(super) struct Events {
    sender: mpsc::Sender<Waiting>,
    free_bytes: Arc<Semaphore>,
    finished: Arc<AtomicBool>,
    deadline: Duration,
}

/// An event that waits for the client, with the permit for its place in the queue.
#[derive(Debug)]
struct Waiting {
    line: Line,
    permit: OwnedSemaphorePermit,
}

/// The receiving end: the body of an answer.
///
/// It ends properly only after [`Events::finish`]; otherwise it breaks off, so that the client knows that events are
/// missing.
#[derive(Debug)]
pub(crate) struct EventStream {
    receiver: mpsc::Receiver<Waiting>,
    finished: Arc<AtomicBool>,
}

/// The client has disconnected, or reads no events.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientGone;

/// A watch ended without having sent everything.
#[derive(Debug, thiserror::Error)]
#[error("the watch broke off")]
pub(crate) struct BrokenOff;

/// Both ends of a queue in which an event waits for the client for at most `deadline`.
pub(super) fn pair(deadline: Duration) -> (Events, EventStream) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    let finished = Arc::new(AtomicBool::new(false));
    let free_bytes = Arc::new(Semaphore::new(MOST_BYTES_WAITING as usize));
    (Events { sender, free_bytes, finished: Arc::clone(&finished), deadline }, EventStream { receiver, finished })
}

impl Events {
    /// Sends the event, and waits while the queue is full.
    ///
    /// # Errors
    /// [`ClientGone`] when the client has disconnected, or has read nothing for the deadline.
    pub(super) async fn send(&self, line: impl Into<Line>) -> Result<(), ClientGone> {
        let line = line.into();
        let permit = Arc::clone(&self.free_bytes).acquire_many_owned(needed(&line.bytes));
        let sent = match timeout(self.deadline, permit).await {
            Ok(Ok(permit)) => self.sender.send_timeout(Waiting { line, permit }, self.deadline).await,
            Ok(Err(_)) => return Err(ClientGone),
            Err(_) => return Err(self.client_gone()),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(_)) => Err(ClientGone),
            Err(SendTimeoutError::Timeout(_)) => Err(self.client_gone()),
        }
    }

    fn client_gone(&self) -> ClientGone {
        debug!(deadline = ?self.deadline, "a watch was cut: its client takes no events");
        ClientGone
    }

    /// Sends the event if the queue is not full, and drops it otherwise.
    pub(super) fn send_unless_full(&self, line: Bytes) {
        if let Ok(permit) = Arc::clone(&self.free_bytes).try_acquire_many_owned(needed(&line)) {
            let _ = self.sender.try_send(Waiting { line: line.into(), permit });
        }
    }

    /// Waits until the client has disconnected.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Ends the body properly: everything was sent.
    pub(super) fn finish(self) {
        self.finished.store(true, Ordering::Release);
    }
}

impl From<Bytes> for Line {
    /// A short event, which is not counted.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, shared: None }
    }
}

impl From<Arc<SharedBytes>> for Line {
    fn from(shared: Arc<SharedBytes>) -> Self {
        Self { bytes: shared.bytes.clone(), shared: Some(shared) }
    }
}

impl EventStream {
    /// The next event, whole; none when there will be no more.
    pub(crate) fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Line, BrokenOff>>> {
        Poll::Ready(match ready!(self.receiver.poll_recv(context)) {
            Some(Waiting { line, permit }) => {
                drop(permit);
                Some(Ok(line))
            }
            None if self.finished.load(Ordering::Acquire) => None,
            None => Some(Err(BrokenOff)),
        })
    }
}

/// How many bytes of the queue an event takes; all of them, if it is longer than the queue.
fn needed(line: &Bytes) -> u32 {
    u32::try_from(line.len()).unwrap_or(u32::MAX).min(MOST_BYTES_WAITING)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn few_long_events_wait_as_many_short_ones_do() {
        let (long, short) = (Bytes::from(vec![b' '; 100 * 1024]), Bytes::from_static(b"{}"));
        for (line, waiting) in [(long, 1), (short, MOST_WAITING)] {
            let (events, _stream) = pair(DEADLINE);
            for _ in 0..waiting {
                events.send(line.clone()).await.unwrap();
            }
            assert_eq!(events.send(line).await, Err(ClientGone));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_longer_than_the_queue_waits_alone_and_is_sent() {
        let (events, mut stream) = pair(DEADLINE);
        let line = Bytes::from(vec![b' '; 2 * MOST_BYTES_WAITING as usize]);
        events.send(line.clone()).await.unwrap();

        let received = std::future::poll_fn(|context| stream.poll_line(context)).await;

        assert_eq!(received.unwrap().unwrap().bytes, line);
        events.send(line).await.unwrap();
    }
}
