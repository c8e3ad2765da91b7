//! The stages of the service: starting, serving, draining.

use tokio::sync::watch;

/// How far the service has come. It only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// The listeners are not open yet.
    Starting,
    /// The listeners are open.
    Serving,
    /// The listeners are closing; there is no way back.
    Draining,
}

/// The stage, and a way to wait for a later one.
#[derive(Debug)]
pub(super) struct Latch(watch::Sender<Stage>);

impl Latch {
    /// At the start of the service.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Stage::Starting))
    }

    /// Moves on to this stage, unless it is reached already.
    pub(super) fn advance(&self, to: Stage) {
        self.0.send_if_modified(|stage| {
            let forward = to > *stage;
            *stage = to.max(*stage);
            forward
        });
    }

    pub(super) fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Why nothing can be redeemed in this stage, if that is so.
    pub(super) fn fault(&self) -> Option<String> {
        match self.stage() {
            Stage::Starting => Some("starting".to_owned()),
            Stage::Serving => None,
            Stage::Draining => Some("stopping".to_owned()),
        }
    }

    /// Completes once the stage is reached, at once when that is over already.
    pub(super) async fn reached(&self, stage: Stage) {
        // The sender is part of `self`, so waiting for it cannot fail.
        let _ = self.0.subscribe().wait_for(|current| *current >= stage).await;
    }
}
