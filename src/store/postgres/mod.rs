//! The store in a PostgreSQL database, which several processes can share.
#![expect(dead_code, reason = "the store that uses this follows")]

mod connection;
mod doubt;
mod fault;
mod redeem;
mod settings;

use std::ops::ControlFlow;

use sqlx::{Connection as _, Postgres, postgres::PgPool};
use tokio::time::timeout;

use self::connection::{ANSWER_TIMEOUT, Setup, timed_out};
use super::{
    StoreFailure,
    sql::{
        backend::{Backend, Connection, Row, fetch, run_on},
        failure::{Concern, Failure},
        redemption::Redeemed,
        statement::{Columns as _, Statement, statement},
        statements,
    },
};
use crate::{
    file::FileError,
    grant::{PendingRedemption, Revision},
    time::Timestamp,
};

/// The backend of the shared store for PostgreSQL.
pub(super) struct PostgresBackend {
    setup: Setup,
    readers: PgPool,
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
