//! An error and its causes as one line of text.

use std::error::Error;

/// The error and its causes, joined by colons. No error's own message repeats that of its source.
pub fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| Error::source(*cause));
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
