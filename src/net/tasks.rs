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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::net::tests::log::Log;

    #[tokio::test]
    async fn a_panic_is_logged_and_an_end_is_not() {
        let (log, mut tasks) = (Log::of_this_thread(), Tasks::of("test"));
        tasks.spawn(async {});
        tasks.one_ended().await;
        assert_eq!(log.count("panic"), 0);

        tasks.spawn(async { panic!("the test wants this panic") });
        tasks.one_ended().await;
        tasks.spawn(std::future::pending());
        tasks.abort().await;

        assert_eq!(log.count("a connection ended in a panic"), 1);
    }

    #[tokio::test]
    async fn what_a_connection_holds_is_released_when_it_is_aborted() {
        let (held, mut tasks) = (Arc::new(()), Tasks::of("test"));
        let by_the_connection = Arc::clone(&held);
        tasks.spawn(async move {
            let _held = by_the_connection;
            std::future::pending::<()>().await;
        });

        tasks.abort().await;

        assert_eq!(Arc::strong_count(&held), 1);
    }
}
