//! The tasks that run as long as the server does, and which of them are lost.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    thread,
};

use tracing::error;

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
    /// Those there are.
    pub(super) fn all(&self) -> BTreeSet<BackgroundTask> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds one, and logs it once.
    pub(super) fn add(&self, task: BackgroundTask) {
        // No code that runs with the lock held can panic, so a poisoned lock guards sound data.
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(task);
        if is_new {
            error!(task = task.name(), "a background task panicked, which is a fault of grantd; restart the server");
        }
    }
}

/// Exists while a task runs, and notices when it is dropped by a panic.
pub(super) struct Supervised<'a> {
    pub(super) lost: &'a LostTasks,
    pub(super) task: BackgroundTask,
}

impl Drop for Supervised<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.lost.add(self.task);
        }
    }
}
