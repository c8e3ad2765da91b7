//! The store in one SQLite file: a write-ahead log, every commit synced.

pub(super) mod connection;
pub(super) mod copy;
mod damage;
mod fault;
mod files;
mod mark;
mod open;
mod redeem;
#[cfg(test)]
mod tests;

use std::{ops::ControlFlow, path::PathBuf};

use sqlx::{Sqlite, sqlite::SqlitePool};

pub use damage::find_damage;

use self::{connection::Setup, files::OpenFiles, mark::RevisionMark, open::Lock};
use super::{
    OnCommit, OpenError, Quota, StoreFailure,
    sql::{
        backend::{Backend, Connection, Row, fetch, run_on},
        failure::{Concern, Failure},
        open::{migrate, state, unlock, unusable},
        redemption::Redeemed,
        statement::{Statement, statement},
        store::{Opened, SqlStore},
    },
};

use crate::{
    file::FileError,
    grant::{PendingRedemption, Revision},
    time::Timestamp,
};

/// The options of a store in SQLite.
pub(super) struct SqliteOptions {
    /// The database; made when it does not exist, in a directory that does.
    pub(super) database: PathBuf,
    /// The lock that keeps a second process away.
    pub(super) lock: PathBuf,
    /// The key for codes, metadata and contents; made together with the database, and useless without it and the other way
    /// round.
    pub(super) key: PathBuf,
    /// How much each namespace may store.
    pub(super) quota: Quota,
    /// Is called with each group commit, on the writer's task: it must not block.
    pub(super) on_commit: OnCommit,
}

/// Grants and objects in a SQLite database.
pub(super) type SqliteStore = SqlStore<SqliteBackend>;

/// The backend of the shared store for SQLite.
pub(super) struct SqliteBackend {
    setup: Setup,
    readers: SqlitePool,
    files: OpenFiles,
    mark: RevisionMark,
    /// Held until the writer is closed.
    lock: Lock,
}

impl SqliteStore {
    /// Opens the database, migrates it if it is older than this program, and starts the writer on the current runtime.
    ///
    /// # Errors
    /// [`OpenError`]; the database is unchanged then, or migrated and whole.
    pub(super) async fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let setup = Setup::new(&options.database);
        Self::open_with(options, setup).await
    }

    pub(super) async fn open_with(options: SqliteOptions, setup: Setup) -> Result<Self, OpenError> {
        let SqliteOptions { database, lock: lock_file, key, quota, on_commit } = options;
        let lock = open::lock(&lock_file)?;
        open::prepare_files(&database)?;
        let name = database.display().to_string();
        let mut connection = setup.open().await.map_err(unusable(&name))?;
        let schema = migrate(&mut connection, &open::migrator(), &name).await?;
        let key = unlock::<SqliteBackend>(&mut connection, &name, &key).await?;
        let mark = RevisionMark::beside(&database)?;
        let state = state::<SqliteBackend>(&mut connection, &name, mark.kept()).await?;
        sqlx::Connection::close(connection).await.map_err(unusable(&name))?;
        let writer = setup.open_writer().await.map_err(unusable(&name))?;
        let readers = setup.open_readers().await.map_err(unusable(&name))?;
        let files = OpenFiles::of(&database, &lock_file)?;
        let backend = SqliteBackend { setup, readers, files, mark, lock };
        Ok(Self::start(Opened { backend, writer, key, schema, state, quota }, on_commit))
    }
}

impl Backend for SqliteBackend {
    type Database = Sqlite;

    const IS_SHARED: bool = false;

    fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    fn before_transaction(&self) -> Result<(), StoreFailure> {
        self.files.before_transaction()
    }

    fn after_commit(&self) -> Result<(), StoreFailure> {
        self.files.after_commit()
    }

    fn keep_revision(&self, revision: Revision) -> Result<(), FileError> {
        self.mark.keep(revision)
    }

    async fn open_writer(&self) -> Result<Connection<Self>, sqlx::Error> {
        self.setup.open_writer().await
    }

    async fn close_writer(&self, connection: Option<Connection<Self>>) -> Result<(), sqlx::Error> {
        let closed = match connection {
            Some(connection) => self.setup.close_writer(connection).await,
            None => Ok(()),
        };
        self.lock.release();
        closed
    }

    /// IMMEDIATE: the write lock is taken at the beginning, where waiting for it is possible. A transaction that reads
    /// first and then writes fails at once with SQLITE_BUSY_SNAPSHOT if there was a write in between, and no busy timeout
    /// waits for that.
    async fn begin(&self, connection: &mut Connection<Self>) -> Result<(), sqlx::Error> {
        fetch::<Self>(connection, statement("BEGIN IMMEDIATE")).await.map(drop)
    }

    /// The process that admits is the one that writes: there is no other clock.
    async fn time_of_decision(_: &mut Connection<Self>, admitted_at: Timestamp) -> Result<Timestamp, sqlx::Error> {
        Ok(admitted_at)
    }

    async fn run(
        connection: &mut Connection<Self>,
        statement: Statement<'_>,
        take: impl FnMut(Row<Self>) -> ControlFlow<()> + Send,
    ) -> Result<(), sqlx::Error> {
        run_on::<Sqlite>(connection, statement, take).await
    }

    async fn redeem(
        &self,
        connection: &mut Connection<Self>,
        attempts: &[&PendingRedemption],
    ) -> Result<Redeemed, Failure> {
        redeem::redeem::<Self>(connection, attempts).await
    }

    fn concern(error: &sqlx::Error) -> Concern {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.and_then(|code| code.parse::<u32>().ok()).map_or(Concern::Database, fault::concern)
    }

    /// The database is a file: what fails is a statement, and a transaction that cannot be rolled back.
    fn is_lost(_: &sqlx::Error) -> bool {
        false
    }
}
