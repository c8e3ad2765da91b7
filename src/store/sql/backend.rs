//! The interface between the store and one kind of database.

use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
};

use sqlx::{Database, Encode, Executor, IntoArguments, Pool, Type, query::Query};

use super::{
    failure::{Concern, Failure},
    redemption::Redeemed,
    statement::{Columns, Statement, Value},
};

use crate::{
    file::FileError,
    grant::{PendingRedemption, Revision},
    store::StoreFailure,
    time::Timestamp,
};

/// One kind of database below the shared store: how it is connected to, how a transaction begins, which failures concern
/// one row only.
///
/// The methods take whole statements with values of three types, and not sqlx's own generic ones: sqlx states what a
/// database can do in bounds on `&mut Connection`, on arguments and on every type of a value, and none of these is implied
/// by a bound on the database, so each function of the shared store would have to repeat all of them. They are stated
/// once, at [`run_on`] and at the implementation of [`Columns`]; an implementation of `run` is one line.
pub(in crate::store) trait Backend: Sized + Send + Sync + 'static {
    /// sqlx's driver.
    type Database: Database<Row: Columns>;

    /// Whether other processes write to the database, so that what was read before may not be true any more.
    const IS_SHARED: bool;

    /// The connections that read.
    fn readers(&self) -> &Pool<Self::Database>;

    /// Opens the connection that writes; also in the place of one that failed.
    fn open_writer(&self) -> impl Future<Output = Result<Connection<Self>, sqlx::Error>> + Send;

    /// Whether a transaction would last: the database is where it was opened. Asked before each one.
    ///
    /// # Errors
    /// Why a new process would not find what is written.
    fn before_transaction(&self) -> Result<(), StoreFailure>;

    /// Whether what was just committed lasts. Asked before anyone is told that it does.
    ///
    /// # Errors
    /// As [`before_transaction`](Self::before_transaction).
    fn after_commit(&self) -> Result<(), StoreFailure>;

    /// Keeps the greatest revision of the store outside of the database, where the next process that opens the database finds
    /// it; does nothing when there is no such place. It blocks.
    ///
    /// # Errors
    /// [`FileError`]; what was kept before stays.
    fn keep_revision(&self, revision: Revision) -> Result<(), FileError>;

    /// Ends writing: closes the connection, if there is one, and releases the lock on the database. To be called
    /// after reading has ended.
    fn close_writer(
        &self,
        connection: Option<Connection<Self>>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Begins a transaction that excludes all other writers, so that the store's revision does not change until it ends.
    /// When it fails, no transaction is open.
    fn begin(&self, connection: &mut Connection<Self>) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// The time that decides about what a replica admitted at `admitted_at`: in an open transaction, which excludes others.
    fn time_of_decision(
        connection: &mut Connection<Self>,
        admitted_at: Timestamp,
    ) -> impl Future<Output = Result<Timestamp, sqlx::Error>> + Send;

    /// Runs a statement, and passes its rows to `take` one by one until `take` breaks.
    fn run(
        connection: &mut Connection<Self>,
        statement: Statement<'_>,
        take: impl FnMut(Row<Self>) -> ControlFlow<()> + Send,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Counts these redemptions and writes their ledger rows, in a transaction of its own and, when all of them are
    /// counted, in one call to the database. The connection is in no transaction before, and after `Ok`.
    ///
    /// Each is counted if its grant exists, is not expired at the [time of decision](Self::time_of_decision) and has one left
    /// after those before it. That is decided against the store's own rows in the statement that counts. Those that are counted get, in
    /// their order, the next revisions of the store, and the next ordinals of their grants.
    ///
    /// # Errors
    /// [`Failure::Row`] when one of them breaks a rule of the schema; [`Failure::Transaction`] and [`Failure::Database`] when
    /// the database failed. Nothing is committed then. The transaction may still be open, and is rolled back.
    fn redeem(
        &self,
        connection: &mut Connection<Self>,
        attempts: &[&PendingRedemption],
    ) -> impl Future<Output = Result<Redeemed, Failure>> + Send;

    /// What else fails when a statement fails with this error. The transaction may have to be rolled back in any case.
    fn concern(error: &sqlx::Error) -> Concern;

    /// Whether the connection is of no use after this error.
    fn is_lost(error: &sqlx::Error) -> bool;
}

/// A connection of this backend.
pub(in crate::store) type Connection<B> = <<B as Backend>::Database as Database>::Connection;

/// A row of this backend.
pub(in crate::store) type Row<B> = <<B as Backend>::Database as Database>::Row;

/// [`Backend::run`] for any database of sqlx that has texts, 64-bit integers and bytes.
pub(in crate::store) async fn run_on<DB>(
    connection: &mut DB::Connection,
    statement: Statement<'_>,
    mut take: impl FnMut(DB::Row) -> ControlFlow<()> + Send,
) -> Result<(), sqlx::Error>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'t> Option<&'t str>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<&'t [u8]>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
{
    let Statement { text, values } = statement;
    let mut query: Query<'_, DB, DB::Arguments> = sqlx::query(text);
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Integer(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
        };
    }
    let mut rows = query.fetch(connection);
    while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
        if take(row?).is_break() {
            break;
        }
    }
    Ok(())
}

/// Runs a statement and answers its rows.
pub(in crate::store) async fn fetch<B: Backend>(
    connection: &mut Connection<B>,
    statement: Statement<'_>,
) -> Result<Vec<Row<B>>, sqlx::Error> {
    let mut rows = Vec::new();
    B::run(connection, statement, |row| {
        rows.push(row);
        ControlFlow::Continue(())
    })
    .await?;
    Ok(rows)
}
