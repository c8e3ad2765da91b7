//! What one kind of database does for the shared store.

use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
};

use sqlx::{Database, Decode, Encode, Executor, IntoArguments, Pool, Row as _, Type, query::Query};

/// One kind of database below the shared store: how it is connected to, how a transaction begins, which failures concern
/// one row only.
///
/// The methods take whole statements with values of three types, and not sqlx's own generic ones: sqlx states what a
/// database can do in bounds on `&mut Connection`, on arguments and on every type of a value, and none of these is implied
/// by a bound on the database, so each function of the shared store would have to repeat all of them. They are stated
/// once, at [`run_on`] and at the implementation of [`Columns`]; an implementation of `run` is one line.
pub(in crate::store) trait Backend: Send + Sync + 'static {
    /// sqlx's driver.
    type Database: Database<Row: Columns>;

    /// The connections that read.
    fn readers(&self) -> &Pool<Self::Database>;

    /// Opens the connection that writes; also in the place of one that failed.
    fn open_writer(&self) -> impl Future<Output = Result<Connection<Self>, sqlx::Error>> + Send;

    /// Ends writing: closes the connection, if there is one, and lets others in. Reading has ended before.
    fn close_writer(
        &self,
        connection: Option<Connection<Self>>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Begins a transaction that no other writer can come into, so that the store's revision stays until it ends.
    fn begin(connection: &mut Connection<Self>) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement, and hands its rows to `take` one by one until that breaks off.
    fn run(
        connection: &mut Connection<Self>,
        statement: Statement<'_>,
        take: impl FnMut(Row<Self>) -> ControlFlow<()> + Send,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Whether the error is about the values or the row of this one statement, so that other statements can succeed. The
    /// transaction may have to be rolled back all the same.
    fn concerns_one_row(error: &sqlx::Error) -> bool;
}

/// A connection of this backend.
pub(in crate::store) type Connection<B> = <<B as Backend>::Database as Database>::Connection;

/// A row of this backend.
pub(in crate::store) type Row<B> = <<B as Backend>::Database as Database>::Row;

/// A statement and its values, in the order of its parameters.
#[derive(Debug, Clone)]
pub(in crate::store) struct Statement<'a> {
    text: &'static str,
    values: Vec<Value<'a>>,
}

/// A value of a statement. The tables have no other types.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Value<'a> {
    /// A text, or NULL.
    Text(Option<&'a str>),
    /// A number, or NULL.
    Integer(Option<i64>),
    /// Bytes, or NULL.
    Bytes(Option<&'a [u8]>),
}

/// A statement that gets its values by `bind`.
pub(in crate::store) fn statement<'a>(text: &'static str) -> Statement<'a> {
    Statement { text, values: Vec::new() }
}

impl<'a> Statement<'a> {
    /// Gives the next parameter its value.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value<'a>>) -> Self {
        self.values.push(value.into());
        self
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(bytes: Option<&'a [u8]>) -> Self {
        Self::Bytes(bytes)
    }
}

/// A column that does not hold what it should; its name says enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Broken(pub(in crate::store) &'static str);

/// What a column holds.
pub(in crate::store) type Column<T> = Result<T, Broken>;

/// The columns of a row, by name; `None` is NULL.
pub(in crate::store) trait Columns: Send {
    /// Of a column with texts.
    fn optional_text(&self, column: &'static str) -> Column<Option<&str>>;
    /// Of a column with integers.
    fn optional_integer(&self, column: &'static str) -> Column<Option<i64>>;
    /// Of a column with bytes.
    fn optional_bytes(&self, column: &'static str) -> Column<Option<&[u8]>>;

    /// A text that is never NULL.
    fn text(&self, column: &'static str) -> Column<&str> {
        self.optional_text(column)?.ok_or(Broken(column))
    }

    /// An integer that is never NULL.
    fn integer(&self, column: &'static str) -> Column<i64> {
        self.optional_integer(column)?.ok_or(Broken(column))
    }

    /// Bytes that are never NULL.
    fn bytes(&self, column: &'static str) -> Column<&[u8]> {
        self.optional_bytes(column)?.ok_or(Broken(column))
    }
}

impl<R> Columns for R
where
    R: sqlx::Row,
    &'static str: sqlx::ColumnIndex<R>,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
    i64: for<'r> Decode<'r, R::Database> + Type<R::Database>,
{
    fn optional_text(&self, column: &'static str) -> Column<Option<&str>> {
        self.try_get(column).map_err(|_| Broken(column))
    }

    fn optional_integer(&self, column: &'static str) -> Column<Option<i64>> {
        self.try_get(column).map_err(|_| Broken(column))
    }

    fn optional_bytes(&self, column: &'static str) -> Column<Option<&[u8]>> {
        self.try_get(column).map_err(|_| Broken(column))
    }
}

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
    let mut query: Query<'_, DB, DB::Arguments> = sqlx::query(statement.text);
    for value in statement.values {
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
