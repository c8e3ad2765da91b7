//! The options of opening a store, and the errors.

use std::{path::PathBuf, time::Duration};

use super::{DatabaseError, PostgresAddress, Quota, ServerProblem};
use crate::file::FileError;

/// The options of opening a store.
pub struct StoreOptions {
    /// Where everything is kept.
    pub location: Location,
    /// The file with the key for codes, metadata and contents; made together with the database, and useless without it and
    /// the other way round.
    pub key: PathBuf,
    /// How much each namespace may store.
    pub quota: Quota,
    /// Is called with each group commit, on the writer's task: it must not block.
    pub on_commit: OnCommit,
}

/// Where a store keeps everything.
#[derive(Debug, Clone)]
pub enum Location {
    /// In a SQLite database on this machine.
    Sqlite {
        /// The database; made when it does not exist, in a directory that does.
        database: PathBuf,
        /// The lock that keeps a second process away.
        lock: PathBuf,
    },
    /// In a PostgreSQL database, which several processes can share.
    Postgres(PostgresAddress),
}

/// The result of a group commit, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitReport {
    /// How many operations the transaction held.
    pub batch: usize,
    /// From its beginning to the end of its commit.
    pub took: Duration,
    /// How it ended.
    pub outcome: CommitOutcome,
}

/// How a group commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitOutcome {
    /// Everything in it is durable; single operations may have been refused.
    Committed,
    /// Nothing of it was stored.
    Failed,
}

/// Is called with each group commit.
pub type OnCommit = Box<dyn Fn(CommitReport) + Send + Sync>;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process serves this database. Two processes would give out each redemption twice.
    #[error("another process holds the lock {}", lock.display())]
    Locked {
        /// The lock file.
        lock: PathBuf,
    },
    /// A newer grantd has migrated the database; this one must not touch it.
    #[error(
        "the database {database} has schema version {found}, and this grantd knows only {known}: use a newer grantd"
    )]
    NewerSchema {
        /// The database, as an operator knows it: a path, or an address without a password.
        database: String,
        /// Its schema's version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The key does not open what is in the database.
    #[error("the sealing key {} does not belong to the database {database}", key.display())]
    WrongKey {
        /// The database.
        database: String,
        /// The key file.
        key: PathBuf,
    },
    /// The database was sealed with a key that is not there.
    #[error("the database {database} needs its sealing key {}, which does not exist", key.display())]
    KeyMissing {
        /// The database.
        database: String,
        /// Where the key should be.
        key: PathBuf,
    },
    /// Others can read the key.
    #[error("the sealing key {0} can be read by others: chmod 600 {0}", key.display())]
    KeyNotPrivate {
        /// The key file.
        key: PathBuf,
    },
    /// The key file holds something else.
    #[error("the sealing key {} is not one line of 32 bytes in base64", key.display())]
    KeyMalformed {
        /// The key file.
        key: PathBuf,
    },
    /// The file beside the database holds something else than a revision.
    #[error(
        "{} does not hold a revision: put back what was in it, or remove it; without it a database that was put back to an \
         older state is not noticed",
        mark.display()
    )]
    Mark {
        /// The file.
        mark: PathBuf,
    },
    /// A file cannot be made, read or written.
    #[error("the store's files cannot be used")]
    File(#[source] FileError),
    /// The system gives no randomness for a key.
    #[error("the sealing key {} cannot be used", key.display())]
    KeyUnusable {
        /// The key file.
        key: PathBuf,
    },
    /// The schema cannot be brought to the version this program needs.
    #[error("the database {database} cannot be migrated")]
    Migration {
        /// The database.
        database: String,
        /// The migrator's own message.
        #[source]
        source: DatabaseError,
    },
    /// The database server cannot be reached or used.
    #[error("the database {database} cannot be used: {problem}")]
    Server {
        /// The database.
        database: String,
        /// What to change.
        problem: ServerProblem,
    },
    /// The database cannot be used: damaged, not a database, locked, or not durable.
    #[error("the database {database} cannot be used")]
    Unusable {
        /// The database.
        database: String,
        /// The database's own message.
        #[source]
        source: DatabaseError,
    },
}
