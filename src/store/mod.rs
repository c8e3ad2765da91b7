//! Level 2: the database. The contract of a store, and its implementations.
//!
//! [`Store`] is the contract, of [`GrantStore`] and [`ObjectStore`]; `contract` is its test suite and runs on every
//! implementation.

mod changes;
#[cfg(test)]
mod contract;
mod error;
pub(crate) mod footprint;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod grants;
#[cfg(test)]
mod memory;
mod object;
mod open;
mod options;
mod postgres;
mod quota;
mod receipt;
mod server;
mod sql;
mod sqlite;
mod wanted;

use std::sync::Arc;

pub use changes::{Change, ChangeEffect, ChangeSubject, Changes, ChangesError, LastState};
pub use error::{
    CommitError, CorruptRow, CreateError, DatabaseError, FileFault, ReplayError, Rollback, SealError, StoreError,
    StoreFailure, StoreFuture, UpdateError,
};
pub use grants::{
    Deleted, GrantChange, GrantCounts, GrantPage, GrantQuery, GrantStore, LedgerEntry, LedgerPage, LedgerQuery,
    MOST_REISSUES, MOST_REPLAYS, NewGrant, PageLimit,
};
pub use object::{
    Labels, ObjectContent, ObjectKey, ObjectKind, ObjectPage, ObjectQuery, ObjectStore, ObjectWrite, StoredObject,
    WriteObjectsError,
};
pub use open::open;
pub use options::{CommitOutcome, CommitReport, Location, OnCommit, OpenError, StoreOptions};
pub use postgres::examine_postgres;
pub use quota::{Counted, Quota, QuotaExceeded};
pub use receipt::{Claimed, Receipt, Recorded, Replayed, ReplayedCertificate};
pub use server::{DatabasePassword, PostgresAddress, PostgresServer, PostgresTls, PostgresTlsMode, ServerProblem};
pub use sqlite::copy::{CopyError, CopySummary, StoreLock, check_database, copy_database, expire_open_grants};
pub use sqlite::find_damage;
pub use wanted::Wanted;

use crate::{
    grant::{Certified, Namespace, Revision, Signed},
    time::Timestamp,
};

/// A store of grants, the ledger, and other objects, with one revision for all of them.
///
/// What it promises beyond [`GrantStore`]:
///
/// 11. *All or none.* Writes of objects that are asked for together are done together, or none is.
/// 12. *Every change is published once.* Each change of a grant or an object since the store was opened is published with
///     its revision, in the order of revisions, after it is durable and before it is answered; nothing else is.
/// 13. *A gap is reported.* A caller that asks for changes since a revision gets all of them, or an error that says
///     that some are no longer known.
/// 14. *Going back is noticed.* When the database is older than what was seen of it, redemptions fail until an operator has
///     acknowledged that, which expires the open grants. Revisions grow all the same.
pub trait Store: GrantStore + ObjectStore {
    /// What has changed lately, of grants and of objects.
    fn changes(&self) -> &Arc<Changes>;

    /// Gives the store a new revision without changing anything else; answers it. A server does so once at its start:
    /// what it shows besides what is stored (its configuration) may have changed since it stopped.
    ///
    /// It has no entry among the changes. While there are no entries, they begin with this revision, so a caller that asks
    /// for changes since an older one must list again; otherwise it is passed over.
    fn advance(&self) -> StoreFuture<'_, Revision>;

    /// That the database was put back, until an operator acknowledges it: certificates are not given out meanwhile.
    fn rollback(&self) -> Option<Rollback>;

    /// Ends at `now` the time of every grant that could be redeemed, and lets redemptions go on after a
    /// [rollback](Self::rollback); answers how many grants it were. Changes nothing and answers `None` when there is none.
    fn acknowledge_rollback(&self, now: Timestamp) -> StoreFuture<'_, Option<u64>>;

    /// Why the quota of the namespace has no space for this; `None` when it has. Nothing is written or kept free, so a write
    /// after it may find less space.
    fn find_excess(&self, namespace: Namespace, wanted: Wanted) -> StoreFuture<'_, Option<QuotaExceeded>>;

    /// Whether the task that writes has ended without being asked to, which is a fault of grantd: nothing is written any more.
    fn has_lost_its_writer(&self) -> bool;
}

impl dyn Store {
    /// Counts one redemption and writes its ledger row, in one durable transaction; then releases the credential. The only
    /// way to a [`Receipt`].
    ///
    /// # Errors
    /// [`CommitError`]; nothing was counted then, save when the store lost the answer to its commit.
    pub async fn commit<C: Certified>(&self, signed: Signed<C>) -> Result<Receipt<C>, CommitError> {
        let (credential, recorded) = signed.commit_with(|redemption| self.commit_redemption(redemption)).await?;
        Ok(Receipt::new(recorded, credential))
    }
}
