//! The errors of a store.

use std::{future::Future, io, path::PathBuf, pin::Pin, sync::Arc};

use super::QuotaExceeded;
use crate::grant::Revision;

/// What every operation of a store returns.
pub type StoreFuture<'a, T, E = StoreError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// A row that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorruptRow {
    /// Its uid as it is stored.
    pub id: String,
    /// What is wrong.
    pub what: &'static str,
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

/// The cause of an operation that failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreFailure {
    /// The database refused.
    #[error(transparent)]
    Database(DatabaseError),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The queue of writes is full.
    #[error("too many writes are waiting")]
    Overloaded,
    /// A file of the database is not the one that was opened: what is written would be lost.
    #[error("{} {fault}", path.display())]
    Files {
        /// The file.
        path: PathBuf,
        /// What happened to it.
        fault: FileFault,
    },
    /// What is free on the disk is kept for redemptions.
    #[error(
        "only {} MiB of the disk are free, and {} MiB are kept for redemptions (--disk-reserve-bytes): free some space",
        free >> 20,
        reserve >> 20
    )]
    DiskReserve {
        /// The bytes that are free.
        free: u64,
        /// The bytes that are kept.
        reserve: u64,
    },
    /// The database was put back, and grants of that time would be redeemed once more.
    #[error(transparent)]
    RolledBack(Rollback),
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

/// A database that was put back to an older state, which nobody has acknowledged yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database was put back to an older state: it was found at revision {found}, and revision {seen} was seen before; \
     run 'grantd store acknowledge-rollback' to expire the open grants and go on",
    found = .found.0, seen = .seen.0
)]
pub struct Rollback {
    /// The greatest revision that was seen before.
    pub seen: Revision,
    /// The revision of the database when that was noticed.
    pub found: Revision,
}

/// What happened to a file of the database while it was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// Nothing has its path. Moving it back helps.
    #[error("was deleted or moved while the server ran: move it back, or stop the server and restore a backup")]
    Missing,
    /// Another file has its path. Moving the first one back helps.
    #[error("was replaced while the server ran: move the old file back, or restart the server to use the new one")]
    Replaced,
    /// It is shorter than it was. Nothing helps but a new start, which tells whether the database is whole.
    #[error("was truncated while the server ran: stop the server and restore a backup")]
    Truncated,
    /// It cannot be looked at.
    #[error("cannot be looked at: {0}")]
    Unreadable(io::ErrorKind),
}

/// The database's own message, to be printed. Shared, as one failed commit fails every operation in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(Arc<dyn std::error::Error + Send + Sync>);

impl DatabaseError {
    /// Wraps an error of the database's driver. Its type is not part of the API.
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
    /// The namespace has stored too much.
    #[error(transparent)]
    Quota(QuotaExceeded),
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
    /// The namespace has stored too much.
    #[error(transparent)]
    Quota(QuotaExceeded),
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
    /// A certificate for this key of the client's own is there already: the request is a replay.
    #[error("the key has a certificate of this grant already")]
    KnownKey,
    /// The redemption that was to be repeated is not there, too long ago, or was repeated as often as allowed.
    #[error("the redemption cannot be repeated any more")]
    NotRepeatable,
    /// The store did not answer.
    #[error("the redemption was not counted")]
    Store(#[source] StoreError),
}

/// Why a certificate was not sent again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The grant's time is over.
    #[error("the grant has expired")]
    Expired,
    /// The certificate was issued for another name or subject.
    #[error("the key has a certificate with another name or subject")]
    OtherName,
    /// It was sent again as often as is recorded.
    #[error("the certificate was sent again too often")]
    TooOften,
    /// The store did not answer.
    #[error("the replay was not recorded")]
    Store(#[source] StoreError),
}

/// The system's random numbers or its cipher failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot be sealed: the system gives no randomness")]
pub struct SealError;
