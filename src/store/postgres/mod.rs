//! The store in a PostgreSQL database, which several processes can share.

mod connection;
mod doubt;
mod fault;
mod open;
mod redeem;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use sqlx::{Connection as _, Postgres, postgres::PgPool};
use tokio::time::timeout;

use self::connection::{ANSWER_TIMEOUT, Setup, timed_out};
use super::{
    OnCommit, OpenError, PostgresAddress, Quota, StoreFailure,
    sql::{
        backend::{Backend, Connection, Row, fetch, run_on},
        failure::{Concern, Failure},
        redemption::Redeemed,
        statement::{Columns as _, Statement, statement},
        statements,
        store::{Opened, SqlStore},
    },
};
use crate::{
    file::FileError,
    grant::{PendingRedemption, Revision},
    time::Timestamp,
};

/// The options of a store in PostgreSQL.
pub(super) struct PostgresOptions {
    /// Where the database is.
    pub(super) address: PostgresAddress,
    /// The key for codes, metadata and contents; made together with the tables, and useless without them and the other way
    /// round.
    pub(super) key: PathBuf,
    /// How much each namespace may store.
    pub(super) quota: Quota,
    /// Is called with each group commit, on the writer's task: it must not block.
    pub(super) on_commit: OnCommit,
}

/// Grants and objects in a PostgreSQL database.
pub(super) type PostgresStore = SqlStore<PostgresBackend>;

/// The backend of the shared store for PostgreSQL.
pub(super) struct PostgresBackend {
    setup: Setup,
    readers: PgPool,
}

impl PostgresStore {
    /// Connects, makes or migrates the tables if they are older than this program, and starts the writer on the current
    /// runtime.
    ///
    /// # Errors
    /// [`OpenError`]; the database is unchanged then, or migrated and whole.
    pub(super) async fn open(options: PostgresOptions) -> Result<Self, OpenError> {
        let PostgresOptions { address, key, quota, on_commit } = options;
        let setup = Setup::new(address);
        let mut connection = setup.open_writer().await.map_err(|error| open::refused(setup.address(), error))?;
        let prepared = open::prepare::<PostgresBackend>(&mut connection, setup.address(), &key).await?;
        let readers = setup.open_readers().await.map_err(|error| open::refused(setup.address(), error))?;
        let open::Prepared { key, schema, state } = prepared;
        let backend = PostgresBackend { setup, readers };
        Ok(Self::start(Opened { backend, writer: connection, key, schema, state, quota }, on_commit))
    }
}

/// Finds out whether the store at this address could be opened with this key, and leaves everything as it was.
///
/// # Errors
/// The [`OpenError`] of opening it.
pub async fn examine_postgres(address: &PostgresAddress, key: &Path) -> Result<(), OpenError> {
    let refused = |error| open::refused(address, error);
    let setup = Setup::new(address.clone());
    let mut connection = setup.open_writer().await.map_err(refused)?;
    open::examine::<PostgresBackend>(&mut connection, address, key).await?;
    connection.close().await.map_err(refused)
}

impl Backend for PostgresBackend {
    type Database = Postgres;

    const IS_SHARED: bool = true;

    fn readers(&self) -> &PgPool {
        &self.readers
    }

    /// Each connection has shown, when it was made, that what it commits lasts.
    fn before_transaction(&self) -> Result<(), StoreFailure> {
        Ok(())
    }

    fn after_commit(&self) -> Result<(), StoreFailure> {
        Ok(())
    }

    /// There is no place outside of the database that all replicas share.
    fn keep_revision(&self, _: Revision) -> Result<(), FileError> {
        Ok(())
    }

    async fn open_writer(&self) -> Result<Connection<Self>, sqlx::Error> {
        self.setup.open_writer().await
    }

    async fn close_writer(&self, connection: Option<Connection<Self>>) -> Result<(), sqlx::Error> {
        match connection {
            Some(connection) => timeout(ANSWER_TIMEOUT, connection.close()).await.map_err(|_| timed_out())?,
            None => Ok(()),
        }
    }

    /// The lock on the one row of `store_state`, which every writer takes first: so revisions are given in the order of
    /// commits. A connection that was lost while nothing happened is replaced.
    async fn begin(&self, connection: &mut Connection<Self>) -> Result<(), sqlx::Error> {
        match begin(connection).await {
            Err(error) if fault::is_lost(&error) => {
                *connection = self.open_writer().await?;
                begin(connection).await
            }
            begun @ (Ok(()) | Err(_)) => begun,
        }
    }

    async fn time_of_decision(
        connection: &mut Connection<Self>,
        admitted_at: Timestamp,
    ) -> Result<Timestamp, sqlx::Error> {
        const READ: &str = "SELECT time_of_decision($1) AS instant";
        let rows = fetch::<Self>(connection, statement(READ).bind(admitted_at.unix_seconds())).await?;
        let instant = rows.first().and_then(|row| row.integer("instant").ok());
        instant.map(Timestamp::from_unix_seconds).ok_or(sqlx::Error::RowNotFound)
    }

    async fn run(
        connection: &mut Connection<Self>,
        statement: Statement<'_>,
        take: impl FnMut(Row<Self>) -> ControlFlow<()> + Send,
    ) -> Result<(), sqlx::Error> {
        let run = run_on::<Postgres>(connection, statement, take);
        timeout(ANSWER_TIMEOUT, run).await.map_err(|_| timed_out())?
    }

    async fn redeem(
        &self,
        connection: &mut Connection<Self>,
        attempts: &[&PendingRedemption],
    ) -> Result<Redeemed, Failure> {
        doubt::redeem(&self.setup, connection, attempts).await
    }

    fn concern(error: &sqlx::Error) -> Concern {
        fault::concern(error)
    }

    fn is_lost(error: &sqlx::Error) -> bool {
        fault::is_lost(error)
    }
}

async fn begin(connection: &mut Connection<PostgresBackend>) -> Result<(), sqlx::Error> {
    // One round trip.
    const BEGIN: &str = "BEGIN; SELECT revision FROM store_state FOR UPDATE";
    let begun = timeout(ANSWER_TIMEOUT, sqlx::raw_sql(BEGIN).execute(&mut *connection)).await;
    let begun = begun.map_err(|_| timed_out()).flatten().map(drop);
    if begun.as_ref().is_err_and(|error| !fault::is_lost(error)) {
        fetch::<PostgresBackend>(connection, statement(statements::ROLLBACK)).await?;
    }
    begun
}
