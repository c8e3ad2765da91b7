//! Columns of any row, parsed.

use std::str::FromStr;

use crate::{
    store::sql::statement::{Broken, Column, Columns},
    time::Timestamp,
};

/// A text column, parsed.
pub(super) fn parsed<T: FromStr>(row: &impl Columns, column: &'static str) -> Column<T> {
    row.text(column)?.parse().map_err(|_| Broken(column))
}

/// A text column that may be NULL, parsed.
pub(super) fn optional<T: FromStr>(row: &impl Columns, column: &'static str) -> Column<Option<T>> {
    row.optional_text(column)?.map(str::parse).transpose().map_err(|_| Broken(column))
}

/// An integer column as the unsigned type the program uses.
pub(super) fn number<T: TryFrom<i64>>(row: &impl Columns, column: &'static str) -> Column<T> {
    T::try_from(row.integer(column)?).map_err(|_| Broken(column))
}

/// Seconds, as the type the program uses.
pub(super) fn instant_of(seconds: i64, column: &'static str) -> Column<Timestamp> {
    let instant = Timestamp::from_unix_seconds(seconds);
    if instant.unix_seconds() == seconds { Ok(instant) } else { Err(Broken(column)) }
}

/// An integer column with seconds.
pub(super) fn instant(row: &impl Columns, column: &'static str) -> Column<Timestamp> {
    instant_of(number(row, column)?, column)
}

/// A column with exactly `N` bytes.
pub(super) fn bytes<const N: usize>(row: &impl Columns, column: &'static str) -> Column<[u8; N]> {
    row.bytes(column)?.try_into().map_err(|_| Broken(column))
}

/// The column `uid`, whether or not it holds a uid.
pub(in crate::store) fn uid(row: &impl Columns) -> String {
    row.text("uid").unwrap_or("(unreadable)").to_owned()
}
