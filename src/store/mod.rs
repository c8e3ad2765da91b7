//! Level 2: what is remembered. The promises of a store, and the stores that keep them.
//!
//! [`Store`] is the contract, of [`GrantStore`] and [`ObjectStore`]; `contract` is its test suite and runs on every
//! implementation.

mod changes;
#[cfg(test)]
mod contract;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod memory;
mod object;
mod open;
mod options;
mod receipt;
mod sql;
mod sqlite;

use std::{future::Future, pin::Pin, sync::Arc};

pub use changes::{Change, ChangeEffect, ChangeSubject, Changes, ChangesError, LastState};
pub use object::{
    Labels, ObjectContent, ObjectKey, ObjectKind, ObjectPage, ObjectQuery, ObjectStore, ObjectWrite, StoredObject,
    WriteObjectsError,
};
pub use open::open;
pub use options::{CommitOutcome, CommitReport, Location, OnCommit, OpenError, StoreOptions};
pub use receipt::Receipt;
pub use sql::seal::SealError;

use crate::{
    grant::{
        Admission, Allowance, CertificateRecord, Code, CodeOrigin, ExpirationWindow, Grant, GrantId, GrantMetadata,
        GrantName, IssuerName, Namespace, Redemption, Revision,
    },
    time::Timestamp,
};

/// What every operation of a store returns.
pub type StoreFuture<'a, T, E = StoreError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Grants and the ledger, kept durably.
///
/// What every implementation promises, and `store::contract` tests:
///
/// 1. *Durable.* What an operation answered with `Ok` survives a crash of the process and of the machine.
/// 2. *Counted exactly.* However many callers commit at once, from however many processes, a grant never has more
///    redemptions than it allows, and each has its own ledger row with ordinals `1..=made`, without gaps.
/// 3. *Count and row are one.* A redemption is counted if and only if its ledger row exists.
/// 4. *Condition and change are one.* Whether a redemption is still allowed is decided in the statement that counts it,
///    against the store's own copy, not against the copy that was admitted.
/// 5. *Failures stay apart.* An operation that is refused or fails changes nothing and does not disturb another one.
/// 6. *The ledger stays.* Nothing deletes or changes a ledger row, not even deleting the grant.
/// 7. *Revisions grow.* Every change gets a revision greater than all before it, also after a restart and after a deletion.
/// 8. *A caller may go away.* Dropping a returned future leaves the operation either done or not begun, never half done.
/// 9. *Secrets are sealed.* Codes, metadata and the contents of objects cannot be read from the stored bytes without the
///    sealing key.
pub trait GrantStore: Send + Sync + 'static {
    /// Stores a new grant, its redemptions made zero.
    ///
    /// # Errors
    /// [`CreateError::NameTaken`] when the namespace has a grant of that name.
    fn create(&self, grant: NewGrant) -> StoreFuture<'_, Grant, CreateError>;

    /// The grant with this id, if there is one.
    fn get(&self, id: GrantId) -> StoreFuture<'_, Option<Grant>>;

    /// The grant of this name, if there is one.
    fn find(&self, namespace: Namespace, name: GrantName) -> StoreFuture<'_, Option<Grant>>;

    /// A page of grants, ordered by namespace and name.
    fn list(&self, query: GrantQuery) -> StoreFuture<'_, GrantPage>;

    /// How many grants a list of this query has on all its pages, counted up to its limit and no further.
    fn count_listed(&self, query: GrantQuery) -> StoreFuture<'_, u32>;

    /// Replaces what an operator may change, provided the grant is still at `expected`.
    ///
    /// # Errors
    /// [`UpdateError::Conflict`] when it has changed since, [`UpdateError::Gone`] when it was deleted.
    fn update(&self, id: GrantId, expected: Revision, change: GrantChange) -> StoreFuture<'_, Grant, UpdateError>;

    /// Removes the grant of this name, also one whose row is corrupt; the ledger stays. `None` when there is none.
    ///
    /// # Errors
    /// [`UpdateError::Conflict`] when `expected` is given and the grant has changed since; then nothing is removed.
    fn delete(
        &self,
        namespace: Namespace,
        name: GrantName,
        expected: Option<Revision>,
    ) -> StoreFuture<'_, Option<Deleted>, UpdateError>;

    /// Counts one redemption and writes its ledger row, in one durable transaction. The only way to a [`Receipt`].
    ///
    /// # Errors
    /// [`CommitError`]; nothing was counted then.
    fn commit_redemption(
        &self,
        admission: Admission,
        certificate: CertificateRecord,
    ) -> StoreFuture<'_, Receipt, CommitError>;

    /// The ledger rows of a grant with ordinals greater than `after`, in order, at most `limit`. Also of a deleted grant.
    fn redemptions(&self, id: GrantId, after: u32, limit: u32) -> StoreFuture<'_, Vec<Redemption>>;

    /// How many grants are in each state at `now`.
    fn count(&self, now: Timestamp) -> StoreFuture<'_, GrantCounts>;

    /// Removes at most `limit` grants that have been expired or used up since before `cutoff`; answers how many.
    fn sweep(&self, cutoff: Timestamp, limit: u32) -> StoreFuture<'_, u32>;

    /// The store's current revision.
    fn revision(&self) -> StoreFuture<'_, Revision>;

    /// Writes something durably and reads the schema's version back: `Ok` means that a redemption could be counted now.
    fn check(&self) -> StoreFuture<'_, ()>;

    /// Finishes what was accepted, checkpoints, and closes. Operations after this answer [`StoreError::Unavailable`].
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// All that is remembered: grants, the ledger, and other objects, under one revision.
///
/// What it promises beyond [`GrantStore`]:
///
/// 10. *All or none.* Writes of objects that are asked for together are done together, or none is.
/// 11. *Every change is published once.* Each change of a grant or an object since the store was opened is published with
///     its revision, in the order of revisions, after it is durable and before it is answered; nothing else is.
/// 12. *A gap is reported.* A caller that asks for changes since a revision gets all of them, or an error that some are
///     forgotten.
pub trait Store: GrantStore + ObjectStore {
    /// What has changed lately, of grants and of objects.
    fn changes(&self) -> &Arc<Changes>;

    /// Gives the store a new revision without changing anything else; answers it. A server does so once at its start:
    /// what it shows besides what is stored (its configuration) may have changed since it stopped.
    ///
    /// It has no entry among the changes. While there are no entries, they begin with this revision, so a caller that asks
    /// for changes since an older one must list again; otherwise it is passed over.
    fn advance(&self) -> StoreFuture<'_, Revision>;
}

/// A grant to be stored; the store adds generation 1 and a revision.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// Its uid.
    pub id: GrantId,
    /// The site's namespace.
    pub namespace: Namespace,
    /// Its name, not yet taken in the namespace.
    pub name: GrantName,
    /// Which issuer signs.
    pub issuer: Option<IssuerName>,
    /// The secret.
    pub code: Code,
    /// Whether it was generated or given.
    pub code_origin: CodeOrigin,
    /// Redemptions allowed, at least 1.
    pub allowed: u32,
    /// The window as it was given.
    pub window: ExpirationWindow,
    /// When the window ends.
    pub expires_at: Timestamp,
    /// Now.
    pub created_at: Timestamp,
    /// What users attach.
    pub metadata: GrantMetadata,
}

/// What an operator may change of a grant: these fields replace the stored ones.
#[derive(Debug, Clone)]
pub struct GrantChange {
    /// The new allowance; its `made` is ignored, only the stored count counts.
    pub allowance: Allowance,
    /// Which issuer signs.
    pub issuer: Option<IssuerName>,
    /// Whether the code, which itself never changes, was generated or given.
    pub code_origin: CodeOrigin,
    /// The window as it is written now; `expires_at` does not move.
    pub window: ExpirationWindow,
    /// What users attach.
    pub metadata: GrantMetadata,
    /// 1 greater than before when the spec changed, else as before.
    pub generation: u64,
}

/// Which grants a list shows.
#[derive(Debug, Clone, Default)]
pub struct GrantQuery {
    /// Only this namespace's.
    pub namespace: Option<Namespace>,
    /// Only those ordered after this one: where the page before ended.
    pub after: Option<(Namespace, GrantName)>,
    /// At most this many.
    pub limit: PageLimit,
}

/// How many items a query asks for, at least one. A page never holds more than [`PageLimit::FULL`]; only a count goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit(u32);

impl PageLimit {
    /// As many as one page holds.
    pub const FULL: Self = Self(1_000);

    /// At most this many; one when it is zero, as a page without items would have no end from which the next one starts.
    pub fn at_most(items: u32) -> Self {
        Self(items.max(1))
    }

    /// The number.
    pub fn items(self) -> u32 {
        self.0
    }

    /// The most items of one page.
    pub(in crate::store) fn of_page(self) -> u32 {
        self.0.min(Self::FULL.0)
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self::FULL
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct GrantPage {
    /// The grants that could be read.
    pub grants: Vec<Grant>,
    /// What there is to say of those that could not.
    pub corrupt: Vec<CorruptRow>,
    /// The store's revision when the page was read.
    pub revision: Revision,
    /// Where the next page starts; `None` when this is the last.
    pub next: Option<(Namespace, GrantName)>,
}

/// A row that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorruptRow {
    /// Its uid as it is stored.
    pub id: String,
    /// What is wrong.
    pub what: &'static str,
}

/// What is left of a removed grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Its uid, as it stood in the row.
    pub id: String,
    /// The revision of the removal.
    pub revision: Revision,
}

/// How many grants are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GrantCounts {
    /// Redeemable.
    pub open: u64,
    /// Their time is over.
    pub expired: u64,
    /// Used up, and not expired.
    pub exhausted: u64,
}

/// Why the store could not answer. None of these is the redeemer's fault.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Try again later: disk full, read-only, locked, closed.
    #[error("the grant store did not answer while trying to {action}")]
    Unavailable {
        /// What was being done, as in "count a redemption".
        action: &'static str,
        /// The database's own message.
        #[source]
        source: StoreFailure,
    },
    /// A row breaks a rule that the schema also states. An operator has to look at it.
    #[error("stored object {id} is corrupt: {what}")]
    Corrupt {
        /// Its uid as it is stored.
        id: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl From<CorruptRow> for StoreError {
    fn from(CorruptRow { id, what }: CorruptRow) -> Self {
        Self::Corrupt { id, what }
    }
}

/// What went wrong below.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreFailure {
    /// The database refused.
    #[error(transparent)]
    Database(DatabaseError),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// More work is waiting than the store will queue.
    #[error("too many writes are waiting")]
    Overloaded,
    /// A secret could not be sealed.
    #[error(transparent)]
    Sealing(SealError),
    /// The schema was migrated while the store was open.
    #[error("the schema has version {found}, and this grantd knows {known}")]
    SchemaChanged {
        /// The version in the database.
        found: i64,
        /// The version this program was made for.
        known: i64,
    },
}

/// The database's own message, to be printed. Shared, as one failed commit fails every operation in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(Arc<dyn std::error::Error + Send + Sync>);

impl DatabaseError {
    /// Of an error of the database's driver, whose type stays inside.
    pub(in crate::store) fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

/// Why a grant was not stored.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The namespace has a grant of that name.
    #[error("the name is taken")]
    NameTaken,
    /// The store did not answer.
    #[error("the grant was not stored")]
    Store(#[source] StoreError),
}

/// Why a grant was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// It was deleted.
    #[error("the grant does not exist any more")]
    Gone,
    /// It changed since it was read.
    #[error("the grant has changed since it was read")]
    Conflict,
    /// The store did not answer.
    #[error("the grant was not changed")]
    Store(#[source] StoreError),
}

/// Why a redemption was not counted.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The grant's time ended since it was admitted.
    #[error("the grant has expired")]
    Expired,
    /// Others used the grant up since it was admitted.
    #[error("the grant is used up")]
    Exhausted,
    /// The grant was deleted since it was admitted.
    #[error("the grant does not exist any more")]
    Gone,
    /// The store did not answer.
    #[error("the redemption was not counted")]
    Store(#[source] StoreError),
}
