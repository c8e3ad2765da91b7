//! Why an archive cannot be read or written.

use std::io;

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It begins otherwise.
    #[error("this is no backup of grantd")]
    Format,
    /// The text before the contents breaks a rule.
    #[error("the backup is damaged: line {line}: {what}")]
    Header {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// It is shorter or longer than it says.
    #[error("the backup is damaged: it should have {expected} bytes and has {found}")]
    Length {
        /// The bytes that it should have.
        expected: u64,
        /// The bytes that it has.
        found: u64,
    },
    /// The contents are not those that were written.
    #[error("the backup is damaged: its checksum is wrong")]
    Checksum,
    /// A file changed its size while it was copied.
    #[error("{0} changed while it was copied")]
    Changed(String),
    /// Reading or writing failed.
    #[error("the backup cannot be read or written")]
    System(#[source] io::Error),
}
