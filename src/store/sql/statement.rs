//! A statement with its values, and the columns of its rows.

use sqlx::{Decode, Type};

/// A statement and its values, in the order of its parameters.
#[derive(Debug, Clone)]
pub(in crate::store) struct Statement<'a> {
    pub(in crate::store) text: &'static str,
    pub(in crate::store) values: Vec<Value<'a>>,
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

/// The name of a column that does not hold a value of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Broken(pub(in crate::store) &'static str);

/// The value of a column, or the error that it is of another type.
pub(in crate::store) type Column<T> = Result<T, Broken>;

/// The columns of a row, by name; `None` is NULL.
pub(in crate::store) trait Columns: Send {
    /// The value of a column with texts.
    fn optional_text(&self, column: &'static str) -> Column<Option<&str>>;
    /// The value of a column with integers.
    fn optional_integer(&self, column: &'static str) -> Column<Option<i64>>;
    /// The value of a column with bytes.
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
