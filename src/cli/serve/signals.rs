//! Signals that stop the server, and what a supervisor is notified of.

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
    /// From now on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// The system's reason for not delivering them.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for `last`, what is left to do before the process ends, but not after one more signal.
pub(super) async fn unless_asked_again(stop: &mut Stop, last: impl Future<Output = ()>) {
    tokio::select! {
        () = last => {}
        () = stop.asked() => warn!("asked a second time; stopping at once"),
    }
}

/// Notifies systemd, if it started this process, that requests are answered now.
pub(super) fn notify_systemd_ready() {
    // Not being started by systemd is not a fault.
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
    async fn a_second_signal_ends_whatever_is_waited_for() {
        let mut stop = Stop::listen().unwrap();

        unless_asked_again(&mut stop, ready(())).await;
        for signal in [Number::Term, Number::Int] {
            kill_process(getpid(), signal).unwrap();
            timeout(Duration::from_secs(10), unless_asked_again(&mut stop, pending())).await.expect("an end at once");
        }
    }
}
