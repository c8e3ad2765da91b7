//! The register of admin users, followed while the server runs.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use crate::{
    app::{App, UserRegister, chain},
    cli::user_file::{self, FileState, UserFileError},
    metrics::{ReloadOutcome, Reloaded},
};

/// How often the file is looked at: so soon a revocation takes effect.
const INTERVAL: Duration = Duration::from_millis(250);

/// Keeps the server's register of admin users the same as the file.
pub(super) struct UserFollower {
    app: Arc<App>,
    data_dir: PathBuf,
    /// The file when it was last read.
    state: Option<FileState>,
    /// The last change could not be made, and the log says so.
    is_behind: bool,
}

impl UserFollower {
    /// Loads the register.
    ///
    /// # Errors
    /// [`UserFileError`]: without its revocations, nobody may be let in.
    pub(super) fn start(app: Arc<App>, data_dir: PathBuf) -> Result<Self, UserFileError> {
        let state = user_file::state(&data_dir);
        app.admin_users().replace(user_file::read(&data_dir)?);
        Ok(Self { app, data_dir, state, is_behind: false })
    }

    /// Follows the file until cancelled.
    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Reading is done on a thread that may block.
            match spawn_blocking(move || self.look()).await {
                Ok(follower) => self = follower,
                // The panic goes on in this task, which is supervised.
                Err(lost) => match lost.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime has shut down.
                    Err(_) => return,
                },
            }
        }
    }

    fn look(mut self) -> Self {
        let state = user_file::state(&self.data_dir);
        match state {
            Some(_) if state != self.state => self.load(),
            Some(_) => {}
            None => self.put_back(),
        }
        self.state = state;
        self.register_seen();
        self
    }

    fn load(&self) {
        match user_file::read(&self.data_dir) {
            Ok(register) => {
                self.app.admin_users().replace(register);
                self.app.metrics().reloaded(Reloaded::Users, ReloadOutcome::Loaded);
                info!("the register of users was read again");
            }
            Err(fault) => {
                self.app.metrics().reloaded(Reloaded::Users, ReloadOutcome::Refused);
                error!(error = %chain(&fault), remedy = fault.hint(), "the register of users cannot be read; the last one stays in force");
            }
        }
    }

    /// Writes the register again when its file is gone: the next command would begin an empty one, without the revocations.
    fn put_back(&self) {
        if *self.app.admin_users().in_force() == UserRegister::default() {
            return;
        }
        let written = self.change(|_| {});
        // Tried again at each look, and logged once.
        if self.state.is_none() {
            return;
        }
        match written {
            Ok(()) => warn!("the register of users was gone; the last one stays in force, and was written again"),
            Err(fault) => error!(
                error = %chain(&fault),
                remedy = fault.hint(),
                "the register of users is gone; the last one stays in force; put admin-ca/users.json back before the next start"
            ),
        }
    }

    /// Registers certificates that were not made by this version of `grantd kubeconfig`.
    fn register_seen(&mut self) {
        let seen = self.app.admin_users().take_seen();
        if seen.is_empty() {
            return;
        }
        let now = self.app.clock().now();
        let added = self.change(|register| {
            seen.iter().for_each(|certificate| {
                register.seen(certificate, now);
            });
        });
        let is_behind = added.is_err();
        if let Err(fault) = added {
            // They are kept for the next look.
            seen.iter().for_each(|certificate| {
                self.app.admin_users().admits(certificate);
            });
            if !self.is_behind {
                warn!(
                    error = %chain(&fault),
                    remedy = fault.hint(),
                    "a user who connected is not listed by 'grantd user list' yet"
                );
            }
        }
        self.is_behind = is_behind;
    }

    fn change(&self, change: impl FnOnce(&mut UserRegister)) -> Result<(), UserFileError> {
        let in_force = self.app.admin_users().in_force();
        // Without waiting for the lock: revocations are followed meanwhile, and this is tried again at the next look.
        user_file::change(&self.data_dir, Duration::ZERO, |register| {
            // So it reads when its file is gone. What is written must not forget who was revoked.
            if *register == UserRegister::default() {
                register.clone_from(&in_force);
            }
            change(register);
        })
    }
}
