//! Grants and the ledger of their redemptions: the contract of a store.

use super::{Claimed, CommitError, CorruptRow, CreateError, Recorded, ReplayError, StoreFuture, UpdateError};
use crate::{
    grant::{
        Allowance, Claim, Code, CodeOrigin, Grant, GrantId, GrantMetadata, GrantName, GrantTerms, KeyFingerprint,
        Namespace, PendingRedemption, Redemption, Replay, Revision,
    },
    time::Timestamp,
};

/// How often a redemption can be answered again with the same certificate: each time is a row.
pub const MOST_REPLAYS: u32 = 100;
/// How often a redemption can be answered again with a new key and certificate.
pub const MOST_REISSUES: u32 = 3;

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
/// 6. *The ledger stays.* Nothing deletes or changes a ledger row or the record of a replay, not even deleting the grant.
/// 7. *Revisions grow.* Every change gets a revision greater than all before it, also after a restart and after a deletion.
/// 8. *A caller may go away.* Dropping a returned future leaves the operation either done or not begun, never half done.
/// 9. *Secrets are sealed.* Codes, metadata and the contents of objects cannot be read from the stored bytes without the
///    sealing key.
/// 10. *In-doubt commits are resolved.* When a database that is reached over a network loses the answer to a commit of
///     redemptions, the store looks them up in the ledger before it answers: those that are recorded are answered as counted,
///     the others are tried once more, with the same serial numbers, or fail. No attempt has two rows.
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

    /// Counts one redemption and writes its ledger row, in one durable transaction. Callers use `commit` of `dyn Store`,
    /// which releases the credential too.
    ///
    /// One with a certificate that is [kept](PendingRedemption::kept) is counted only if its key has no certificate of this
    /// grant yet; the certificate is stored in the same transaction. One that is to [reissue](crate::grant::Admission::reissue)
    /// is not counted but recorded as a replay, at most [`MOST_REISSUES`] times for each redemption.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was counted then.
    fn commit_redemption(&self, redemption: PendingRedemption) -> StoreFuture<'_, Recorded, CommitError>;

    /// Looks for a certificate of this grant for this key of the client's own. If there is one, it records that the
    /// certificate is sent again, at most [`MOST_REPLAYS`] times for each redemption, and answers it.
    ///
    /// # Errors
    /// [`ReplayError`]; nothing was recorded then.
    fn claim(&self, claim: Claim, key: KeyFingerprint) -> StoreFuture<'_, Claimed, ReplayError>;

    /// The last redemption of this grant with the claim's name and subject that is not older than `since`, when it can be
    /// repeated once more: by a client that retries.
    fn repeatable(&self, claim: &Claim, since: Timestamp) -> StoreFuture<'_, Option<u32>>;

    /// The replays of a grant's redemptions, by ordinal and number, after this pair, at most `limit`. Also of a deleted grant.
    fn replays(&self, id: GrantId, after: (u32, u32), limit: u32) -> StoreFuture<'_, Vec<Replay>>;

    /// The ledger rows of a grant with ordinals greater than `after`, in order, at most `limit`. Also of a deleted grant.
    fn redemptions(&self, id: GrantId, after: u32, limit: u32) -> StoreFuture<'_, Vec<Redemption>>;

    /// A page of the ledger of all grants, also of deleted ones, in the order of their uids and of ordinals.
    fn ledger(&self, query: LedgerQuery) -> StoreFuture<'_, LedgerPage>;

    /// How many grants are in each state at `now`.
    fn count(&self, now: Timestamp) -> StoreFuture<'_, GrantCounts>;

    /// Removes at most `limit` grants that have been expired or used up since before `cutoff`; answers how many.
    fn sweep(&self, cutoff: Timestamp, limit: u32) -> StoreFuture<'_, u32>;

    /// The store's current revision.
    fn revision(&self) -> StoreFuture<'_, Revision>;

    /// Reads and durably writes as a redemption does, of the grant whose redemption failed last if there is one, and reads the
    /// schema's version back: `Ok` means that a redemption could be counted now.
    fn check(&self) -> StoreFuture<'_, ()>;

    /// Finishes what was accepted, checkpoints, and closes. Operations after this answer
    /// [`StoreError::Unavailable`](super::StoreError::Unavailable).
    fn close(&self) -> StoreFuture<'_, ()>;
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
    /// The secret.
    pub code: Code,
    /// Whether the code was generated or given by the operator.
    pub code_origin: CodeOrigin,
    /// Redemptions allowed, at least 1.
    pub allowed: u32,
    /// What its operator may replace.
    pub terms: GrantTerms,
    /// When the window ends.
    pub expires_at: Timestamp,
    /// The time of the creation.
    pub created_at: Timestamp,
    /// Labels, annotations and settings.
    pub metadata: GrantMetadata,
}

/// What an operator may change of a grant: these fields replace the stored ones.
#[derive(Debug, Clone)]
pub struct GrantChange {
    /// The new allowance; its `made` is ignored, only the stored count counts.
    pub allowance: Allowance,
    /// Whether the code, which itself never changes, was generated or given.
    pub code_origin: CodeOrigin,
    /// The new terms; `expires_at` does not move when their window does.
    pub terms: GrantTerms,
    /// Labels, annotations and settings.
    pub metadata: GrantMetadata,
    /// 1 greater than before when the spec changed, else as before.
    pub generation: u64,
}

/// Which grants a list shows.
#[derive(Debug, Clone, Default)]
pub struct GrantQuery {
    /// Only grants of this namespace; all when `None`.
    pub namespace: Option<Namespace>,
    /// Only those ordered after this namespace and name, with which the page before ended.
    pub after: Option<(Namespace, GrantName)>,
    /// At most this many.
    pub limit: PageLimit,
}

/// How many items a query asks for, at least one. A page never holds more than [`PageLimit::FULL`]; only a count goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit(u32);

impl PageLimit {
    /// A full page: as many as one page holds.
    pub const FULL: Self = Self(1_000);

    /// At most this many; one when it is zero, as the next page starts after the last item of this one.
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
    /// The uids of those that could not, and what is wrong with their rows.
    pub corrupt: Vec<CorruptRow>,
    /// The store's revision when the page was read.
    pub revision: Revision,
    /// Where the next page starts; `None` when this is the last.
    pub next: Option<(Namespace, GrantName)>,
}

/// Which rows of the ledger a page shows.
#[derive(Debug, Clone, Default)]
pub struct LedgerQuery {
    /// Only those of grants of this namespace; all when `None`.
    pub namespace: Option<Namespace>,
    /// Only those after this grant and ordinal, with which the page before ended.
    pub after: Option<(GrantId, u32)>,
    /// At most this many rows are looked at, and as many again while the last one has no grant and ordinal to go on from.
    pub limit: PageLimit,
}

/// A row of the ledger, with the grant as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The grant's namespace.
    pub namespace: Namespace,
    /// The grant's name.
    pub grant: GrantName,
    /// What was recorded.
    pub redemption: Redemption,
}

/// One page of the ledger. It may be empty when there is another one: rows of other namespaces were looked at.
#[derive(Debug, Clone, Default)]
pub struct LedgerPage {
    /// The rows that could be read.
    pub entries: Vec<LedgerEntry>,
    /// The grants of those that could not, and what is wrong with the rows.
    pub corrupt: Vec<CorruptRow>,
    /// Where the next page starts; `None` when this is the last.
    pub next: Option<(GrantId, u32)>,
}

/// A grant that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Its uid, as it was stored: a corrupt row may hold any text.
    pub id: String,
    /// The revision of the removal.
    pub revision: Revision,
}

/// How many grants are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GrantCounts {
    /// Redeemable.
    pub open: u64,
    /// Expired.
    pub expired: u64,
    /// Used up, and not expired.
    pub exhausted: u64,
}
