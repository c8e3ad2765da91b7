//! How an error is told in one line.

use std::error::Error;

/// The error and its causes, joined by colons: a message of this house never repeats its source.
pub fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| Error::source(*cause));
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
