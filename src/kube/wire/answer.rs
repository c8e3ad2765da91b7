//! The bodies of answers, sent in pieces, so that a client that reads nothing is noticed and disconnected.
//!
//! The listener itself closes a connection on which it cannot write. HTTP/2 needs more: a client can read from the
//! connection and answer pings, and yet grant a stream no flow-control window. Then the answer would stay in memory, and a
//! watch would keep its permit, for as long as the client likes.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Response,
    body::{Body, Bytes, Frame, SizeHint},
};
use tokio::time::{Instant, sleep};

use crate::{
    app::MemoryPermit,
    kube::engine::watch::{
        shared::SharedBytes,
        stream::{BrokenOff, EventStream},
    },
    net::ActiveRequest,
};

/// The most bytes of one piece. A piece stays in memory until it is sent, even when its stream has ended.
const LONGEST_PIECE: usize = 16 * 1024;
/// How long a piece may wait for the client to read before the connection is closed.
const PIECE_DEADLINE: Duration = Duration::from_secs(60);
/// How long a client may take to read a whole answer; watches are exempt.
const WHOLE_DEADLINE: Duration = Duration::from_secs(300);
/// How often the two deadlines are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// An HTTP answer.
pub(crate) type Answer = Response<AnswerBody>;

/// The answers that are being sent on one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Arc<Mutex<InFlight>>);

#[derive(Debug, Default)]
struct InFlight {
    next: u64,
    /// By when the client must have read the next piece of each answer; `None` while the client waits for the server.
    due: HashMap<u64, Option<Instant>>,
}

impl Answers {
    /// Waits until an answer is past its deadline.
    pub(crate) async fn stalled(&self) {
        loop {
            sleep(CHECK_INTERVAL).await;
            let now = Instant::now();
            if self.in_flight().due.values().flatten().any(|due| *due <= now) {
                return;
            }
        }
    }

    fn register(&self) -> u64 {
        let mut in_flight = self.in_flight();
        let number = in_flight.next;
        in_flight.next += 1;
        in_flight.due.insert(number, Some(Instant::now() + PIECE_DEADLINE));
        number
    }

    fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        // The lock cannot be poisoned, as no code panics while it holds it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    /// The bytes that are sent next, before any further event.
    rest: Bytes,
    events: Option<EventStream>,
    /// Whether pieces of `rest` were sent.
    is_cut: bool,
    /// What counts the memory of `rest`: of an answer, or of an event.
    permit: Option<MemoryPermit>,
    event: Option<Arc<SharedBytes>>,
    begun: Instant,
    registration: Option<Registration>,
}

/// The entry of an answer in the register of its connection.
#[derive(Debug)]
struct Registration {
    answers: Answers,
    number: u64,
    _active: Option<ActiveRequest>,
}

impl AnswerBody {
    /// A body that is complete, with the permit for its memory.
    pub(crate) fn whole(bytes: Bytes, permit: Option<MemoryPermit>) -> Self {
        let (is_cut, event, begun) = (false, None, Instant::now());
        Self { rest: bytes, events: None, is_cut, permit, event, begun, registration: None }
    }

    /// The body of a watch.
    pub(crate) fn events(events: EventStream) -> Self {
        Self { events: Some(events), ..Self::whole(Bytes::new(), None) }
    }

    /// The same body, registered with its connection, which keeps its place until the body is sent.
    pub(crate) fn on(self, answers: &Answers, active: Option<ActiveRequest>) -> Self {
        let registration = Registration { answers: answers.clone(), number: answers.register(), _active: active };
        Self { registration: Some(registration), ..self }
    }

    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        while self.rest.is_empty() {
            let Some(events) = &mut self.events else { return Poll::Ready(None) };
            match events.poll_line(context) {
                Poll::Ready(Some(Ok(line))) => (self.rest, self.event) = (line.bytes, line.shared),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.rest.len() <= LONGEST_PIECE {
            let last = std::mem::take(&mut self.rest);
            let last = if self.is_cut { Bytes::copy_from_slice(&last) } else { last };
            (self.is_cut, self.permit, self.event) = (false, None, None);
            return Poll::Ready(Some(Ok(Frame::data(last))));
        }
        // Copied, because a slice would keep the whole body in memory.
        let piece = Bytes::copy_from_slice(&self.rest.split_to(LONGEST_PIECE));
        self.is_cut = true;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let polled = self.next(context);
        if let Some(registration) = &self.registration {
            let due = match &polled {
                Poll::Pending => None,
                Poll::Ready(_) => {
                    let piece = Instant::now() + PIECE_DEADLINE;
                    Some(if self.events.is_none() { piece.min(self.begun + WHOLE_DEADLINE) } else { piece })
                }
            };
            registration.answers.in_flight().due.insert(registration.number, due);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.events.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.events {
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX)),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.answers.in_flight().due.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::app::MemoryBudget;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_its_client_does_not_take_is_noticed_after_a_minute() {
        let answers = Answers::default();
        let _body = AnswerBody::whole(Bytes::from_static(b"text"), None).on(&answers, None);
        let begun = Instant::now();

        answers.stalled().await;

        assert!((60..=65).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_slowly_is_noticed_after_five_minutes() {
        let answers = Answers::default();
        let mut body = AnswerBody::whole(Bytes::from(vec![0; 100 * LONGEST_PIECE]), None).on(&answers, None);
        let begun = Instant::now();
        let taking = async {
            loop {
                sleep(Duration::from_secs(50)).await;
                assert!(body.frame().await.is_some());
            }
        };

        tokio::select! { () = taking => {}, () = answers.stalled() => {} }

        assert!((300..=305).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_answer_comes_whole_and_leaves_nothing_held() {
        let (answers, memory) = (Answers::default(), Arc::new(MemoryBudget::default()));
        let (before, bytes) = (memory.free(), vec![7; 3 * LONGEST_PIECE + 1]);
        let permit = memory.share_of("a").try_take(bytes.len()).unwrap();
        assert_eq!(memory.free(), before - bytes.len());

        let body = AnswerBody::whole(Bytes::from(bytes.clone()), Some(permit)).on(&answers, None);
        assert_eq!(body.size_hint().exact(), Some(3 * 16 * 1024 + 1));
        assert_eq!(body.collect().await.unwrap().to_bytes(), bytes);

        assert_eq!(memory.free(), before);
        assert!(answers.in_flight().due.is_empty());
    }
}
