//! The terms of a grant in the columns of its row: `issuer` and `expiration_window`.

use super::column::{optional, parsed};
use crate::{
    grant::{GrantTerms, IssuerName},
    store::sql::statement::{Column, Columns, Statement},
};

/// Reads the columns.
pub(super) fn terms(row: &impl Columns) -> Column<GrantTerms> {
    Ok(GrantTerms { issuer: optional(row, "issuer")?, window: parsed(row, "expiration_window")? })
}

/// The values of the columns, for a statement that writes them.
pub(in crate::store) struct TermValues<'a> {
    issuer: Option<&'a str>,
    expiration_window: String,
}

impl<'a> TermValues<'a> {
    pub(in crate::store) fn of(terms: &'a GrantTerms) -> Self {
        let GrantTerms { issuer, window } = terms;
        Self { issuer: issuer.as_ref().map(IssuerName::as_str), expiration_window: window.to_string() }
    }

    /// Binds all of them, in the order of `CREATE` and `UPDATE` in `statements`.
    pub(in crate::store) fn bind_to<'s>(&'s self, statement: Statement<'s>) -> Statement<'s> {
        let Self { issuer, expiration_window } = self;
        statement.bind(*issuer).bind(expiration_window)
    }
}
