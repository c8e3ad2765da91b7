//! What can go wrong on the command line, how it is told, and with which exit code.

use std::{error::Error, fmt::Write as _, io};

use super::{config::ConfigError, serve::ServeError};
use crate::file::FileError;

/// Exit codes, as `grantd --help` states them; 64, 69 and 77 are those of sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Refused or failed.
    Failure,
    /// Wrong usage, a faulty configuration, or a file that cannot be read.
    Usage,
    /// No server answers.
    Unavailable,
    /// The server of this data directory is not ours to talk to.
    NotPermitted,
}

impl Exit {
    /// The code for the shell.
    pub fn code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::NotPermitted => 77,
        }
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was typed makes no sense; several faults stand on lines of their own.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do instead, when the message does not say it.
        hint: Option<String>,
    },
    /// The configuration of the server has faults.
    #[error(transparent)]
    Config(ConfigError),
    /// A file that should be read cannot be.
    #[error(transparent)]
    Read(FileError),
    /// A file that should be written cannot be.
    #[error(transparent)]
    Write(FileError),
    /// A server, or the state of things, says no.
    #[error("{message}")]
    Refused {
        /// What was refused.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// Standard output or input failed.
    #[error("cannot use standard input or output")]
    Console(#[source] io::Error),
    /// The asynchronous runtime did not start.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// The server did not start, or ended badly.
    #[error(transparent)]
    Serve(ServeError),
}

impl CliError {
    /// Wrong usage, with a message that says what is right.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    /// A refusal and its remedy.
    pub fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: Some(hint.into()) }
    }

    /// With which code the program ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::Config(_) | Self::Read(_) => Exit::Usage,
            Self::Write(_) | Self::Refused { .. } | Self::Console(_) | Self::Runtime(_) | Self::Serve(_) => {
                Exit::Failure
            }
        }
    }

    /// The next step, when one is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Usage { hint, .. } | Self::Refused { hint, .. } => hint.as_deref(),
            Self::Config(_) => Some("see 'grantd serve --help'"),
            Self::Read(_) => Some("give the path of a file that you may read"),
            Self::Write(_) => Some("give a path in a directory that you may write to"),
            Self::Console(_) | Self::Runtime(_) | Self::Serve(_) => None,
        }
    }

    /// Whether the reader of our output has gone away, which is the reader's right.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Console(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The message with all its causes, as in `cannot read x: No such file or directory`.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// An error and its causes, joined by colons.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    text
}
