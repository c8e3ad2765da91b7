//! Exit codes of the program.

/// Exit codes, as `grantd --help` states them; 64, 69, 75 and 77 are those of sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Refused or failed.
    Failure,
    /// Wrong usage, a faulty configuration, or a file that cannot be read.
    Usage,
    /// No server answers.
    Unavailable,
    /// A link is not ready.
    NotReady,
    /// The user is not permitted to connect to the server of this data directory.
    NotPermitted,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::NotReady => 75,
            Self::NotPermitted => 77,
        }
    }
}
