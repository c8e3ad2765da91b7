//! Errors with which the server does not start, or stops.

use std::{fmt::Write as _, path::PathBuf};

use crate::{
    app::{ClockMarkError, DuplicateSite, chain},
    cli::{database::PasswordError, exit::Exit, output::ConsoleError, user_file::UserFileError},
    file::FileError,
    http::TlsError,
    kube::AdminListenerError,
    net::BindError,
    pki::PkiError,
    store::{OpenError, StoreError},
};

/// Why the server did not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Files of keys and certificates cannot be used; there is one error for each.
    #[error("{}", list(.0))]
    Files(Vec<PkiError>),
    /// A self-made key or certificate could not be made.
    #[error("cannot make a key or certificate of our own")]
    Make(#[source] PkiError),
    /// A file of the data directory cannot be used.
    #[error(transparent)]
    File(FileError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(OpenError),
    /// The password of the database cannot be read.
    #[error(transparent)]
    DatabasePassword(PasswordError),
    /// The store of the data directory is in another database, which this file names.
    #[error("the store of this data directory is in the database that {} names, and no --database is given", .0.display())]
    StoreIsElsewhere(PathBuf),
    /// The database did not answer.
    #[error(transparent)]
    StoreFailed(StoreError),
    /// The latest time that the server has seen is not known.
    #[error(transparent)]
    ClockMark(ClockMarkError),
    /// The server could not start because the disk is full.
    #[error("the disk with {} is full: {free_kib} KiB are free, and a start needs 1024 KiB", directory.display())]
    DiskFull {
        /// A directory on that disk.
        directory: PathBuf,
        /// How much is free.
        free_kib: u64,
        /// What failed.
        #[source]
        source: Box<Self>,
    },
    /// Two sites share a namespace.
    #[error(transparent)]
    Sites(DuplicateSite),
    /// The server cannot listen on an address.
    #[error(transparent)]
    Bind(BindError),
    /// An admin listener could not start.
    #[error(transparent)]
    AdminListener(AdminListenerError),
    /// No public URL was given for tokens, and this host does not know its own name.
    #[error("cannot find out under which address other sites reach this host: give --public-url https://HOST:PORT")]
    NoPublicUrl,
    /// The system does not deliver signals.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
    /// The banner could not be printed.
    #[error("cannot print the addresses of the server")]
    Banner(#[source] ConsoleError),
    /// The redeem listener's certificate cannot be used.
    #[error(transparent)]
    Tls(TlsError),
    /// The register of the admin users cannot be read.
    #[error(transparent)]
    Users(UserFileError),
    /// A listener ended without being asked to.
    #[error("a listener of the server ended by itself, which is a fault of grantd; the log says where")]
    BrokenListener,
}

impl ServeError {
    /// Whether it is about writing files.
    pub(super) fn may_come_from_a_full_disk(&self) -> bool {
        match self {
            Self::Make(_) | Self::File(_) | Self::Store(_) | Self::StoreFailed(_) => true,
            Self::Files(_)
            | Self::DatabasePassword(_)
            | Self::StoreIsElsewhere(_)
            | Self::ClockMark(_)
            | Self::DiskFull { .. }
            | Self::Sites(_)
            | Self::Bind(_)
            | Self::AdminListener(_)
            | Self::NoPublicUrl
            | Self::Signals(_)
            | Self::Banner(_)
            | Self::Tls(_)
            | Self::Users(_)
            | Self::BrokenListener => false,
        }
    }

    /// The exit code of the program.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Files(_)
            | Self::DatabasePassword(_)
            | Self::StoreIsElsewhere(_)
            | Self::Store(
                OpenError::Server { .. }
                | OpenError::NewerSchema { .. }
                | OpenError::WrongKey { .. }
                | OpenError::KeyMissing { .. },
            )
            | Self::Sites(_)
            | Self::NoPublicUrl
            | Self::Users(_) => Exit::Usage,
            Self::Make(_)
            | Self::File(_)
            | Self::Store(_)
            | Self::StoreFailed(_)
            | Self::ClockMark(_)
            | Self::DiskFull { .. }
            | Self::Bind(_)
            | Self::AdminListener(_)
            | Self::Signals(_)
            | Self::Banner(_)
            | Self::Tls(_)
            | Self::BrokenListener => Exit::Failure,
        }
    }

    /// The next step, if the message does not say it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Files(_) => Some("nothing was created; correct the files and start again"),
            Self::Users(error) => Some(error.hint()),
            Self::NoPublicUrl => Some("for example --public-url https://grants.example.com:9090"),
            Self::File(_) => Some("choose a directory you may write to with --data-dir"),
            Self::Store(OpenError::Locked { .. }) => {
                Some("a grantd serves from this data directory already: stop it, or choose another with --data-dir")
            }
            Self::StoreIsElsewhere(_) => Some(
                "give that database with --database; or, to begin with an empty store in the data directory, remove the file",
            ),
            Self::DiskFull { .. } => Some(
                "free space on that disk: old logs, container images, copies of the data directory. In the data directory \
                 itself delete nothing: grantd.db and the files beside it hold the grants and the ledger",
            ),
            Self::Make(_)
            | Self::Store(_)
            | Self::DatabasePassword(_)
            | Self::StoreFailed(_)
            | Self::ClockMark(_)
            | Self::Sites(_)
            | Self::Bind(_)
            | Self::AdminListener(_)
            | Self::Signals(_)
            | Self::Banner(_)
            | Self::Tls(_)
            | Self::BrokenListener => None,
        }
    }
}

fn list(faults: &[PkiError]) -> String {
    let mut text = String::from("keys and certificates cannot be used:");
    for fault in faults {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {}", chain(fault));
    }
    text
}
