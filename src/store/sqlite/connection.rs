//! The settings of a connection to the database, and the check that they are in force.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};

/// How long a statement waits for a lock of another process. No other process should use the database, so a longer wait is
/// an error.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a read waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 2;
/// The log is truncated to this many bytes when a new one begins after a burst.
pub(super) const JOURNAL_SIZE_LIMIT: u64 = 16 * 1024 * 1024;
/// 3.51.3 corrected the reset of the write-ahead log, which could lose commits before
/// (<https://sqlite.org/releaselog/3_51_3.html>).
const MINIMUM_VERSION: [u32; 3] = [3, 51, 3];

/// Settings that are read back on every connection: name, statement, the value that is required.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("journal_mode", "PRAGMA journal_mode", "wal"),
    // FULL (2): a commit returns after its log was synced. With NORMAL a power cut takes commits back.
    ("synchronous", "PRAGMA synchronous", "2"),
    ("foreign_keys", "PRAGMA foreign_keys", "1"),
    ("trusted_schema", "PRAGMA trusted_schema", "0"),
    ("mmap_size", "PRAGMA mmap_size", "0"),
];

/// A setting that durability needs is not in force.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error("SQLite's {setting} is {found} although it was set otherwise")]
    Setting { setting: &'static str, found: String },
    #[error("SQLite {found} is too old")]
    Version { found: String },
}

impl From<SetupError> for sqlx::Error {
    fn from(error: SetupError) -> Self {
        Self::Configuration(error.into())
    }
}

/// How to open connections to one database.
#[derive(Debug, Clone)]
pub(in crate::store) struct Setup {
    options: SqliteConnectOptions,
    /// Further pragmas of the writer alone, run after the schema was created.
    writer_pragmas: &'static [&'static str],
}

impl Setup {
    /// Settings for this file, which must exist.
    pub(in crate::store) fn new(database: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(database)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("trusted_schema", "OFF")
            // In KiB when negative. With memory mapping off, this bounds what a connection keeps of the file.
            .pragma("cache_size", "-2048")
            .pragma("mmap_size", "0")
            .pragma("temp_store", "MEMORY")
            .pragma("journal_size_limit", JOURNAL_SIZE_LIMIT.to_string())
            .statement_cache_capacity(64)
            .disable_statement_logging();
        Self { options, writer_pragmas: &[] }
    }

    /// The same with further pragmas for the writer, with which tests cause faults.
    #[cfg(test)]
    pub(in crate::store) fn with_writer_pragmas(self, writer_pragmas: &'static [&'static str]) -> Self {
        Self { writer_pragmas, ..self }
    }

    /// A connection for migrations.
    pub(in crate::store) async fn open(&self) -> Result<SqliteConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        verify(&mut connection).await?;
        Ok(connection)
    }

    /// The connection that writes.
    pub(in crate::store) async fn open_writer(&self) -> Result<SqliteConnection, sqlx::Error> {
        let mut connection = self.open().await?;
        for pragma in self.writer_pragmas {
            sqlx::query(*pragma).execute(&mut connection).await?;
        }
        Ok(connection)
    }

    /// Moves everything from the log into the database, so that its file is whole by itself, and closes.
    pub(in crate::store) async fn close_writer(&self, mut connection: SqliteConnection) -> Result<(), sqlx::Error> {
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await;
        connection.close().await.and(checkpoint.map(drop))
    }

    /// Connections that can only read.
    pub(in crate::store) async fn open_readers(&self) -> Result<SqlitePool, sqlx::Error> {
        SqlitePoolOptions::new()
            .max_connections(READERS)
            // Opened now, as there may be no file descriptor left when the second one is needed.
            .min_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            // The database is a file: a connection to it does not go stale.
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(verify(connection)))
            .connect_with(self.options.clone().pragma("query_only", "ON"))
            .await
    }
}

async fn verify(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let found: String = sqlx::query("SELECT sqlite_version()").fetch_one(&mut *connection).await?.try_get(0)?;
    if !is_recent(&found) {
        return Err(SetupError::Version { found }.into());
    }
    for (setting, pragma, expected) in SETTINGS.iter().copied() {
        let row = sqlx::query(pragma).fetch_one(&mut *connection).await?;
        let found = row.try_get::<i64, _>(0).map_or_else(|_| row.try_get(0), |number| Ok(number.to_string()))?;
        if found != expected {
            return Err(SetupError::Setting { setting, found }.into());
        }
    }
    Ok(())
}

fn is_recent(version: &str) -> bool {
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).collect();
    numbers.as_slice() >= MINIMUM_VERSION.as_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for (version, recent) in
            [("3.51.3", true), ("3.100.0", true), ("4.0.0", true), ("3.51.2", false), ("3.9.9", false)]
        {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }
}
