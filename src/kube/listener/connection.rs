//! What the doors share: how many connections there are, how each is served, and how all of them end.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinError, JoinSet},
};
use tracing::{debug, error, info, warn};

use super::super::service::AdminService;
use crate::net::Progressing;

/// For the header of each request, and so for an idle connection too.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// The header section, which is where selectors are.
const LONGEST_HEADER: u32 = 32 * 1024;
/// Requests at once on one HTTP/2 connection.
const MOST_STREAMS: u32 = 64;
/// How long a connection of HTTP/2 may say nothing before it is asked whether it is there, and how long it may then
/// take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_DEADLINE: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is written to it.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// Somewhat more than one request may take.
const DRAIN_DEADLINE: Duration = Duration::from_secs(22);
/// Without a pause, a failure that lasts (no file descriptor left) would keep a core busy.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Tells connections that the door closes: it does, once the sender is gone.
pub(super) type Stopping = watch::Receiver<()>;

/// The connections of one door.
pub(super) struct Connections {
    places: Arc<Semaphore>,
    stop: watch::Sender<()>,
    stopping: Stopping,
    tasks: JoinSet<()>,
}

impl Connections {
    /// None yet, and at most so many.
    pub(super) fn new(most: usize) -> Self {
        let (stop, stopping) = watch::channel(());
        Self { places: Arc::new(Semaphore::new(most)), stop, stopping, tasks: JoinSet::new() }
    }

    /// Takes connections until `shutdown` ends.
    pub(super) async fn take<S>(
        &mut self,
        shutdown: impl Future<Output = ()>,
        mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<S>>,
        mut taken: impl FnMut(&mut Self, S),
    ) {
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => return,
                () = self.one_ended() => continue,
                accepted = poll_fn(&mut accept) => accepted,
            };
            match accepted {
                Ok(stream) => taken(self, stream),
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "the admin door could not take a connection");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    /// A place for one more, if there is one.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Sees a connection through, which keeps its place until it ends.
    pub(super) fn spawn<F>(&mut self, place: OwnedSemaphorePermit, connection: impl FnOnce(Stopping) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let connection = connection(self.stopping.clone());
        self.tasks.spawn(async move {
            connection.await;
            drop(place);
        });
    }

    /// Waits for a connection to end, and for ever when there is none.
    async fn one_ended(&mut self) {
        match self.tasks.join_next().await {
            Some(ended) => report(ended),
            None => std::future::pending().await,
        }
    }

    /// Lets the requests that have begun finish, for at most [`DRAIN_DEADLINE`].
    pub(super) async fn drain(self) {
        let Self { places: _, stop, stopping, mut tasks } = self;
        drop((stop, stopping));
        let all_ended = async {
            while let Some(ended) = tasks.join_next().await {
                report(ended);
            }
        };
        if tokio::time::timeout(DRAIN_DEADLINE, all_ended).await.is_err() {
            info!(connections = tasks.len(), "the admin door closes with requests unfinished");
            tasks.shutdown().await;
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(error = &error as &dyn std::error::Error, "an admin request ended in a panic");
    }
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Serves the requests of one connection until either side has had enough.
pub(super) async fn serve<S>(stream: S, protocol: Protocol, service: AdminService, mut stopping: Stopping)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let http = http(protocol);
    let (service, answers) = service.on_one_connection();
    let connection = http
        .serve_connection(TokioIo::new(Progressing::new(stream, WRITE_DEADLINE)), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = answers.stalled() => {
            debug!("an admin connection was cut: its client takes no answer");
            return;
        }
        // The sender is dropped when the door closes; nothing is ever sent.
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error = &*error as &dyn std::error::Error, "an admin connection ended early");
    }
}

fn http(protocol: Protocol) -> auto::Builder<TokioExecutor> {
    // Told rather than guessed from the first bytes: a guess waits for them without a deadline.
    let mut http = match protocol {
        Protocol::Http1 => auto::Builder::new(TokioExecutor::new()).http1_only(),
        Protocol::Http2 => auto::Builder::new(TokioExecutor::new()).http2_only(),
    };
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE).max_buf_size(LONGEST_HEADER as usize);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(LONGEST_HEADER)
        .max_concurrent_streams(MOST_STREAMS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_DEADLINE);
    http
}
