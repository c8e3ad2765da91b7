//! Why a statement failed, and whether that concerns one operation or all.

use super::statement::{Broken, Columns};
use crate::{
    grant::Revision,
    store::{CorruptRow, DatabaseError, StoreError, StoreFailure},
};

/// How much an error of a statement concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Concern {
    /// The values or the row of this one statement: others of the transaction can succeed.
    Row,
    /// This transaction, which is not committed: one with fewer or other statements can succeed.
    Transaction,
    /// The whole database.
    Database,
}

/// Why a statement failed.
#[derive(Debug)]
pub(in crate::store) enum Failure {
    /// It broke a rule of the schema, or a row could not be read. Only its own operation fails.
    Row(StoreError),
    /// The database could not carry out this transaction: it has no space for it, or a page that it needs is damaged. One
    /// with fewer operations may succeed.
    Transaction(DatabaseError),
    /// The database failed. Every operation fails.
    Database(StoreFailure),
}

impl Failure {
    /// The values or the row of one statement break a rule. `id` names the row for the operator.
    pub(in crate::store) fn rule(id: &(impl ToString + ?Sized)) -> Self {
        Self::Row(StoreError::Corrupt { id: id.to_string(), what: "breaks a rule of the schema" })
    }

    /// What every operation of a transaction is answered that failed as a whole.
    pub(in crate::store) fn of_all(self) -> StoreFailure {
        match self {
            Self::Transaction(error) => StoreFailure::Database(error),
            Self::Database(failure) => failure,
            // Cannot happen: an operation that breaks a rule is undone alone.
            Self::Row(error) => StoreFailure::Database(DatabaseError::new(error)),
        }
    }

    /// The failure of a statement with an error that concerns this. `id` names its row for the operator.
    pub(in crate::store) fn of_statement(concern: Concern, error: sqlx::Error, id: &(impl ToString + ?Sized)) -> Self {
        match concern {
            Concern::Row => Self::rule(id),
            Concern::Transaction => Self::Transaction(DatabaseError::new(error)),
            Concern::Database => database(error),
        }
    }

    /// A column holds a value that cannot be read.
    pub(in crate::store) fn column(id: &(impl ToString + ?Sized)) -> impl Fn(Broken) -> Self {
        move |Broken(what)| Self::Row(StoreError::Corrupt { id: id.to_string(), what })
    }
}

/// A failure of every operation.
pub(in crate::store) fn database(error: sqlx::Error) -> Failure {
    Failure::Database(StoreFailure::Database(DatabaseError::new(error)))
}

impl From<CorruptRow> for Failure {
    fn from(corrupt: CorruptRow) -> Self {
        Self::Row(corrupt.into())
    }
}

/// The revision in a row's column; [`Failure::Row`] when the column holds no revision.
pub(in crate::store) fn revision_of(
    row: &impl Columns,
    column: &'static str,
    id: &(impl ToString + ?Sized),
) -> Result<Revision, Failure> {
    let stored = row.integer(column).map_err(Failure::column(id))?;
    u64::try_from(stored).map(Revision).map_err(|_| Failure::column(id)(Broken(column)))
}
