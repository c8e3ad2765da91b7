//! Permits for calls over the network: a limit for all of them, one for each namespace, and one for each host.
//!
//! New objects, those that succeeded and those that failed have permits of their own. So hosts that do not answer delay
//! neither new objects nor those that work; and [the permits are shared](super::fair) so that the objects of one namespace
//! do not delay those of another.

use super::{
    fair::{FairPermit, FairPermits, PermitLimits},
    service::App,
};
use crate::grant::Namespace;

/// Which objects share their permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Those that were not tried yet as they are now.
    New,
    /// Those that succeeded the last time.
    Well,
    /// Those that failed the last time.
    Failing,
}

/// Objects that are read from the store at once by one controller. Each read is short; when very many objects are due, as
/// after a start, other requests must still find a connection to the database.
const READS: PermitLimits = PermitLimits { total: 16, per_namespace: 12, per_host: usize::MAX };

/// The permits of one controller.
pub(super) struct Permits {
    reads: FairPermits,
    new: FairPermits,
    well: FairPermits,
    failing: FairPermits,
}

impl Permits {
    /// With these limits in each lane.
    pub(super) fn new(limits: PermitLimits) -> Self {
        let lane = || FairPermits::new(limits);
        Self { reads: FairPermits::new(READS), new: lane(), well: lane(), failing: lane() }
    }

    /// Waits for a permit to call this host for an object of this namespace; `None` when the service stops.
    pub(super) async fn acquire(&self, app: &App, lane: Lane, namespace: &Namespace, host: &str) -> Option<FairPermit> {
        let of_lane = match lane {
            Lane::New => &self.new,
            Lane::Well => &self.well,
            Lane::Failing => &self.failing,
        };
        tokio::select! {
            biased;
            () = app.stopping() => None,
            permit = of_lane.acquire(namespace.as_str(), host) => Some(permit),
        }
    }

    /// Waits until the objects of this namespace may be read.
    pub(super) async fn acquire_read(&self, namespace: &Namespace) -> FairPermit {
        self.reads.acquire(namespace.as_str(), "").await
    }
}
