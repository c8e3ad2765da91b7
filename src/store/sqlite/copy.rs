//! Copies of a database: making one while a server uses it, looking at one, and making one fit to be served.

use std::path::Path;

use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::{
    SqliteBackend,
    connection::Setup,
    open::{self, Lock},
};
use crate::{
    store::{
        DatabaseError, OpenError,
        sql::{
            open::{unlock, unusable},
            statements,
        },
    },
    time::Timestamp,
};

/// A copy of all that is committed, in the smallest form.
const COPY: &str = "VACUUM INTO $1";
/// Without the columns that an older schema does not have.
const ADVANCE: &str = "UPDATE store_state SET revision = revision + $1";
/// One row, `ok`, or the first faults.
const INTEGRITY: &str = "PRAGMA integrity_check(5)";

/// Why a copy cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It cannot be opened: damaged, of a newer grantd, or of another key.
    #[error(transparent)]
    Open(OpenError),
    /// The copy could not be written.
    #[error("the database {database} cannot be copied")]
    Copy {
        /// The database.
        database: String,
        /// The database's own message.
        #[source]
        source: DatabaseError,
    },
    /// SQLite finds it damaged.
    #[error("the database {database} is damaged: {report}")]
    Damaged {
        /// The database.
        database: String,
        /// What SQLite says about it first.
        report: String,
    },
}

/// What a database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopySummary {
    /// The version of its schema.
    pub schema: i64,
    /// How many grants there are.
    pub grants: i64,
    /// How many redemptions the ledger has.
    pub redemptions: i64,
}

/// The lock of a database that no server uses; it keeps servers away until it is dropped.
pub struct StoreLock {
    _lock: Lock,
}

impl StoreLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`OpenError::Locked`] while a server has it.
    pub fn take(lock: &Path) -> Result<Self, OpenError> {
        open::lock(lock).map(|lock| Self { _lock: lock })
    }
}

/// Writes a copy of the database as it is at one moment, with all that is committed, to a file that does not exist yet. A
/// server may use the database meanwhile.
///
/// # Errors
/// [`CopyError`].
pub async fn copy_database(database: &Path, copy: &Path) -> Result<(), CopyError> {
    let name = database.display().to_string();
    let mut connection = open_database(database).await?;
    let copied = sqlx::query(COPY).bind(copy.to_string_lossy()).execute(&mut connection).await;
    let closed = connection.close().await;
    copied.map(drop).and(closed).map_err(|error| CopyError::Copy { database: name, source: DatabaseError::new(error) })
}

/// Checks a database that no server uses: that it is whole, that this program knows its schema, and that this is its key.
///
/// # Errors
/// [`CopyError`].
pub async fn check_database(database: &Path, key: &Path) -> Result<CopySummary, CopyError> {
    let name = database.display().to_string();
    let failed = |error| CopyError::Open(unusable(&name)(error));
    let mut connection = open_database(database).await?;
    let reports = sqlx::query(INTEGRITY).fetch_all(&mut connection).await.map_err(failed)?;
    let first: String = reports.first().map_or(Ok(String::new()), |row| row.try_get(0)).map_err(failed)?;
    if first != "ok" {
        return Err(CopyError::Damaged { database: name, report: first });
    }
    let known = open::migrator().iter().map(|migration| migration.version).max().unwrap_or(0);
    let schema: i64 = number(&mut connection, statements::SCHEMA_VERSION).await.map_err(failed)?;
    if schema > known {
        return Err(CopyError::Open(OpenError::NewerSchema { database: name, found: schema, known }));
    }
    unlock::<SqliteBackend>(&mut connection, &name, key).await.map_err(CopyError::Open)?;
    let grants = number(&mut connection, statements::COUNT_GRANTS).await.map_err(failed)?;
    let redemptions = number(&mut connection, statements::COUNT_LEDGER).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(CopySummary { schema, grants, redemptions })
}

/// Ends the time of every grant that could still be redeemed, in a database that no server uses; answers how many there were.
/// Redemptions after the copy was made are not in it, so that these grants would be offered once more.
///
/// # Errors
/// [`CopyError`]; no grant is changed then.
pub async fn expire_open_grants(database: &Path, now: Timestamp) -> Result<u64, CopyError> {
    let name = database.display().to_string();
    let failed = |error| CopyError::Open(unusable(&name)(error));
    let mut connection = open_database(database).await?;
    let mut transaction = connection.begin().await.map_err(failed)?;
    let expired =
        sqlx::query(statements::EXPIRE_OPEN).bind(now.unix_seconds()).bind(1_i64).execute(&mut *transaction).await;
    let expired = expired.map_err(failed)?.rows_affected();
    let schema: i64 = sqlx::query(statements::SCHEMA_VERSION)
        .fetch_one(&mut *transaction)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    if schema >= open::ROLLBACK_SCHEMA {
        sqlx::query(statements::ACKNOWLEDGE_ROLLBACK).execute(&mut *transaction).await.map_err(failed)?;
    }
    sqlx::query(ADVANCE).bind(1_i64).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(expired)
}

async fn open_database(database: &Path) -> Result<SqliteConnection, CopyError> {
    let name = database.display().to_string();
    Setup::new(database).open().await.map_err(|error| CopyError::Open(unusable(&name)(error)))
}

async fn number(connection: &mut SqliteConnection, statement: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query(statement).fetch_one(connection).await?.try_get(0)
}
