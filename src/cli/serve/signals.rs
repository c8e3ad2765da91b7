//! Signals that stop the server or have it read its files again, and notifications to systemd.

use std::{future::Future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Starts listening; from now on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// The system's error when it does not deliver signals.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next of these signals.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// SIGHUP, which asks for everything on disk to be read again.
#[derive(Debug)]
pub(super) struct Hangup(Signal);

impl Hangup {
    /// Starts listening; from now on the signal no longer ends the process.
    ///
    /// # Errors
    /// The system's error when it does not deliver signals.
    pub(super) fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one. Several that come at the same time count as one.
    pub(super) async fn received(&mut self) {
        if self.0.recv().await.is_none() {
            // No further signal can come.
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for `last`, the last work before the process ends, or for one more signal, whichever comes first.
pub(super) async fn unless_asked_again(stop: &mut Stop, last: impl Future<Output = ()>) {
    tokio::select! {
        () = last => {}
        () = stop.asked() => warn!("asked a second time; stopping at once"),
    }
}

/// Notifies systemd, if it started this process, that requests are answered now.
pub(super) fn notify_systemd_ready() {
    // The call fails when systemd did not start this process, which is not a fault.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// Notifies systemd, if it started this process, that it is stopping.
pub(super) fn notify_systemd_stopping() {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        time::Duration,
    };

    use rustix::process::{Signal as Number, getpid, kill_process};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_second_signal_ends_the_wait_for_the_last_work() {
        let mut stop = Stop::listen().unwrap();

        unless_asked_again(&mut stop, ready(())).await;
        for signal in [Number::Term, Number::Int] {
            kill_process(getpid(), signal).unwrap();
            timeout(Duration::from_secs(10), unless_asked_again(&mut stop, pending())).await.expect("an end at once");
        }
    }
}
