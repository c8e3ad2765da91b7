//! The controllers of the connecting side: one redeems AccessTokens, one probes Links.

use std::{sync::Arc, time::Duration};

use super::{
    links::{Links, ProbePace},
    ports::{Prober, Redeemer},
    reconcile::run,
    service::App,
    tokens::Tokens,
};
use crate::time::Backoff;

/// How often controllers try.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Redemptions that failed.
    pub(super) redemptions: Backoff,
    /// Probes of Links.
    pub(super) probes: ProbePace,
}

impl Default for Schedule {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            redemptions: Backoff { first: seconds(5), longest: seconds(300) },
            probes: ProbePace { when_well: seconds(60), when_not: Backoff { first: seconds(5), longest: seconds(60) } },
        }
    }
}

impl App {
    /// Redeems AccessTokens and probes Links until the service is [`stopping`](Self::stopping). Then it ends once the
    /// redemptions in progress are stored, which takes some 10 seconds at most: the store has to stay open for as long.
    pub async fn run_controllers(self: Arc<Self>, redeemer: Arc<dyn Redeemer>, prober: Arc<dyn Prober>) {
        self.run_controllers_at(redeemer, prober, Schedule::default()).await;
    }

    pub(super) async fn run_controllers_at(
        self: Arc<Self>,
        redeemer: Arc<dyn Redeemer>,
        prober: Arc<dyn Prober>,
        schedule: Schedule,
    ) {
        let tokens = Arc::new(Tokens::new(Arc::clone(&self), redeemer, schedule.redemptions));
        let links = Arc::new(Links::new(Arc::clone(&self), prober, schedule.probes));
        tokio::join!(run(Arc::clone(&self), tokens), run(self, links));
    }
}
