//! The errors of backups.

use std::path::PathBuf;

use super::exit::Exit;
use crate::{
    archive::ArchiveError,
    file::FileError,
    store::{CopyError, OpenError},
};

/// Why a backup cannot be made, checked or restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The data directory has no database.
    #[error("{} has no database: nothing was ever served from it", .0.display())]
    NoDatabase(PathBuf),
    /// A file of the data directory cannot be in a backup.
    #[error("{} cannot be in a backup: {what}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why.
        what: &'static str,
    },
    /// The backup has no database, or no key for it.
    #[error("the backup is not complete: it has no {0}")]
    Incomplete(&'static str),
    /// The backup itself.
    #[error("{}", file.display())]
    Archive {
        /// The backup.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ArchiveError,
    },
    /// The database, or its copy.
    #[error(transparent)]
    Database(CopyError),
    /// A server uses the data directory.
    #[error(transparent)]
    Served(OpenError),
    /// A file.
    #[error(transparent)]
    File(FileError),
}

impl BackupError {
    /// The exit code: a file that is no backup is wrong usage, as other unreadable files are.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Archive { source: ArchiveError::Format, .. } => Exit::Usage,
            Self::NoDatabase(_)
            | Self::Unfit { .. }
            | Self::Incomplete(_)
            | Self::Archive { .. }
            | Self::Database(_)
            | Self::Served(_)
            | Self::File(_) => Exit::Failure,
        }
    }

    /// The next step, if the message does not say it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoDatabase(_) => Some("name the server's data directory with --data-dir"),
            Self::Archive { source: ArchiveError::Changed(_), .. } => Some("make the backup again"),
            Self::Served(_) => Some("stop the server first"),
            Self::Unfit { .. } | Self::Incomplete(_) | Self::Archive { .. } | Self::Database(_) | Self::File(_) => None,
        }
    }
}
