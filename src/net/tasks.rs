//! The tasks of a listener's connections. The listener learns how each of them ended.

use std::future::Future;

use tokio::task::{JoinError, JoinSet};
use tracing::error;

/// Tasks that end with the listener.
#[derive(Debug)]
pub(super) struct Tasks {
    listener: &'static str,
    running: JoinSet<()>,
}

impl Tasks {
    /// An empty set of tasks.
    pub(super) fn of(listener: &'static str) -> Self {
        Self { listener, running: JoinSet::new() }
    }

    /// Runs the connection on a task of its own.
    pub(super) fn spawn(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        // The runtime moves a future some ten times between here and its end, and a connection's has many kilobytes.
        self.running.spawn(Box::pin(connection));
    }

    /// Waits for a task to end, and for ever when there is none. May be cancelled.
    pub(super) async fn one_ended(&mut self) {
        match self.running.join_next().await {
            Some(ended) => self.report(ended),
            None => std::future::pending().await,
        }
    }

    /// Aborts the tasks that still run.
    pub(super) async fn abort(mut self) {
        self.running.abort_all();
        while let Some(ended) = self.running.join_next().await {
            self.report(ended);
        }
    }

    fn report(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            error!(listener = self.listener, %error, "a connection ended in a panic");
        }
    }
}
