//! An error and its causes as one line of text.

use std::error::Error;

/// The error and its causes, joined by colons.
///
/// None of our errors repeats its source in its own message. Those of other crates may, and are then printed once.
pub fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| Error::source(*cause));
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{message}")]
    struct Fault {
        message: &'static str,
        source: Option<Box<Fault>>,
    }

    #[test]
    fn a_cause_that_its_error_repeats_is_printed_once() {
        let fault = |message, source: Option<Fault>| Fault { message, source: source.map(Box::new) };
        let locked = fault("error returned from database: locked", Some(fault("locked", None)));
        assert_eq!(chain(&fault("no answer", Some(locked))), "no answer: error returned from database: locked");
    }
}
