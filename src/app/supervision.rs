//! The tasks that run as long as the server does. One that panics is not started again: what it had in hand is unknown, and a
//! restart of the process is the tested way to begin again. Probes are told, so that a supervisor does it.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Mutex, PoisonError},
    thread,
};

use tracing::error;

use super::service::App;

/// A task without which the server does not do all it promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BackgroundTask {
    /// Writes to the database.
    StoreWriter,
    /// Removes old grants, and counts those there are.
    Sweep,
    /// Loads changed certificates and renews self-made ones.
    Certificates,
    /// Follows the register of the users of the admin API.
    Users,
    /// Redeems AccessTokens.
    Tokens,
    /// Probes Links.
    Links,
    /// Tells the controllers what has changed.
    Events,
    /// Finds out whether a redemption would succeed.
    Readiness,
    /// Accepts connections of the redeem listener.
    RedeemListener,
    /// Accepts connections of the admin socket.
    AdminSocket,
    /// Accepts connections of the admin listener with TLS.
    AdminListener,
    /// Accepts connections of the observe listener.
    ObserveListener,
}

impl BackgroundTask {
    /// Its name for operators.
    pub fn name(self) -> &'static str {
        match self {
            Self::StoreWriter => "store-writer",
            Self::Sweep => "sweep",
            Self::Certificates => "certificates",
            Self::Users => "users",
            Self::Tokens => "tokens",
            Self::Links => "links",
            Self::Events => "events",
            Self::Readiness => "readiness",
            Self::RedeemListener => "redeem-listener",
            Self::AdminSocket => "admin-socket",
            Self::AdminListener => "admin-listener",
            Self::ObserveListener => "observe-listener",
        }
    }
}

/// The tasks that have panicked.
#[derive(Debug, Default)]
pub(super) struct LostTasks(Mutex<BTreeSet<BackgroundTask>>);

impl LostTasks {
    fn add(&self, task: BackgroundTask) {
        // No code that runs with the lock held can panic, so a poisoned lock guards sound data.
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(task);
        if is_new {
            error!(task = task.name(), "a background task panicked, which is a fault of grantd; restart the server");
        }
    }
}

/// Exists while a task runs, and notices when it is dropped by a panic.
struct Supervised<'a> {
    lost: &'a LostTasks,
    task: BackgroundTask,
}

impl Drop for Supervised<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.lost.add(self.task);
        }
    }
}

impl App {
    /// Does the work of a background task. When it panics, the task is [lost](Self::lost_tasks), and the panic goes on.
    pub async fn supervised<T>(&self, task: BackgroundTask, work: impl Future<Output = T>) -> T {
        let _supervised = Supervised { lost: &self.lost, task };
        work.await
    }

    /// The tasks that have panicked. With any, the process should be started again.
    pub fn lost_tasks(&self) -> BTreeSet<BackgroundTask> {
        if self.store.has_lost_its_writer() {
            self.lost.add(BackgroundTask::StoreWriter);
        }
        self.lost.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
