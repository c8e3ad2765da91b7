//! Errors of commands, with their messages, hints and exit codes.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    backup_error::BackupError,
    config::ConfigError,
    exit::Exit,
    output::{ConsoleError, DocumentPosition, shell_word},
    serve::ServeError,
    user_file::UserFileError,
};
use crate::{
    app::chain,
    client::{AdminError, RedeemTokenError, Status, Step},
    file::FileError,
    grant::GrantName,
    link::DocumentError,
    pki::PkiError,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Wrong arguments; each of several faults is on its own line.
    #[error("{message}")]
    Usage {
        /// What is wrong, and what is right instead.
        message: String,
    },
    /// The configuration of the server has faults.
    #[error(transparent)]
    Config(ConfigError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(FileError),
    /// A file is not a token.
    #[error("{file}")]
    Document {
        /// The file.
        file: String,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// A file is not a Link or its Secret.
    #[error("{file}")]
    LinkFile {
        /// The file.
        file: String,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(FileError),
    /// The command is not possible in the present state of files or objects.
    #[error("{message}")]
    Refused {
        /// What was refused.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The server of this data directory refused or failed.
    #[error(transparent)]
    Admin(AdminError),
    /// The server that the token names refused or failed, or cannot be trusted.
    #[error(transparent)]
    Redeem(RedeemTokenError),
    /// The answer of the server that the token names was lost. With the key in this file, asking again is not counted again.
    #[error("the token was perhaps redeemed, and the answer was lost")]
    InDoubt(PathBuf, #[source] RedeemTokenError),
    /// A grant was made, but its token could not be written.
    #[error("no token was issued, and grant {grant} {}", if left.is_some() { "is still there" } else { "was deleted again" })]
    NotIssued {
        /// The grant.
        grant: GrantName,
        /// The command that deletes the grant, if it could not be deleted.
        left: Option<String>,
        /// What went wrong.
        #[source]
        cause: Box<CliError>,
    },
    /// The token was redeemed, but not all of its files could be written.
    #[error("the token was redeemed, but not all of its files could be written")]
    Spent {
        /// The file of the key for which the server gives the same certificate again without counting it, if there is one.
        again: Option<PathBuf>,
        /// The files that were written.
        written: Vec<PathBuf>,
        /// A file in another directory with the Secret and all Links, if one could be written.
        rescued: Option<PathBuf>,
        /// Why the next file could not be written.
        #[source]
        source: FileError,
    },
    /// A document was not applied.
    #[error("{position}")]
    Applying {
        /// The document.
        position: DocumentPosition,
        /// What went wrong.
        #[source]
        cause: Box<CliError>,
    },
    /// Several parts of the command failed.
    #[error("{} failures", .0.len())]
    Several(Vec<CliError>),
    /// Standard output or input failed.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// The asynchronous runtime did not start.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// No certificate can be made with the admin CA.
    #[error("cannot make a client certificate with the admin CA")]
    AdminUser(#[source] PkiError),
    /// The register of the admin users cannot be read or changed.
    #[error(transparent)]
    Users(UserFileError),
    /// Links were asked for, and not all of them are ready.
    #[error("{}", not_ready_of(*not_ready, *all))]
    LinksNotReady {
        /// The number of links that are not ready.
        not_ready: usize,
        /// The number of all links.
        all: usize,
    },
    /// A backup could not be made, checked or restored.
    #[error(transparent)]
    Backup(BackupError),
    /// The server did not start, or ended badly.
    #[error(transparent)]
    Serve(ServeError),
}

impl CliError {
    /// An error of usage, with a message that also says what is right.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into() }
    }

    /// A refusal, and what to do next.
    pub(crate) fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: Some(hint.into()) }
    }

    /// Combines the failures of a command that did several things.
    ///
    /// # Errors
    /// The only failure, or all failures together.
    pub(crate) fn all(mut failures: Vec<Self>) -> Result<(), Self> {
        match failures.pop() {
            None => Ok(()),
            Some(only) if failures.is_empty() => Err(only),
            Some(last) => {
                failures.push(last);
                Err(Self::Several(failures))
            }
        }
    }

    /// The HTTP status of the refusal, if the server of this data directory refused.
    pub(crate) fn status(&self) -> Option<u16> {
        if let Self::Admin(AdminError::Refused(status)) = self { Some(status.code) } else { None }
    }

    /// The exit code; the first of several failures decides.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::Config(_) | Self::Read(_) | Self::Document { .. } | Self::LinkFile { .. } => {
                Exit::Usage
            }
            Self::Admin(error) => admin_exit(error),
            Self::Redeem(error) | Self::InDoubt(_, error) => redeem_exit(error),
            Self::NotIssued { cause, .. } | Self::Applying { cause, .. } => cause.exit(),
            Self::LinksNotReady { .. } => Exit::NotReady,
            Self::Several(failures) => failures.first().map_or(Exit::Failure, Self::exit),
            Self::Write(_)
            | Self::Refused { .. }
            | Self::Spent { .. }
            | Self::Console(_)
            | Self::Runtime(_)
            | Self::AdminUser(_)
            | Self::Users(_) => Exit::Failure,
            Self::Backup(error) => error.exit(),
            Self::Serve(error) => error.exit(),
        }
    }

    /// The next step, when one is known.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => hint.clone(),
            Self::Users(error) => Some(error.hint().to_owned()),
            Self::Config(_) => Some("see 'grantd serve --help'".to_owned()),
            Self::LinkFile { .. } => Some("see that it is as 'token redeem' wrote it".to_owned()),
            Self::Document { .. } => Some("give a file that 'token issue' wrote".to_owned()),
            Self::Write(error) => Some(write_hint(error)),
            Self::Admin(error) => admin_hint(error),
            Self::Redeem(error) => error.hint().map(str::to_owned),
            Self::InDoubt(key, _) => Some(format!("run the same command again: {} makes it count once", key.display())),
            Self::NotIssued { left: Some(command), .. } => Some(format!("delete its grant with '{command}'")),
            Self::NotIssued { left: None, cause, .. } | Self::Applying { cause, .. } => cause.hint(),
            Self::Spent { again: Some(key), rescued: None, .. } => Some(format!(
                "free some disk space, and run the same command again with --force: {} makes it count once",
                key.display()
            )),
            Self::Spent { written, rescued, .. } => Some(spent_hint(written, rescued.as_deref())),
            Self::Usage { .. }
            | Self::Read(_)
            | Self::Several(_)
            | Self::LinksNotReady { .. }
            | Self::Console(_)
            | Self::Runtime(_)
            | Self::AdminUser(_) => None,
            Self::Backup(error) => error.hint().map(str::to_owned),
            Self::Serve(error) => error.hint().map(str::to_owned),
        }
    }

    /// Whether the reader of the output has closed the pipe, which is not a failure.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Console(error) if error.is_closed_pipe())
    }

    /// The message with all its causes, as in `cannot read x: No such file or directory`.
    pub(crate) fn chain(&self) -> String {
        chain(self)
    }
}

fn admin_exit(error: &AdminError) -> Exit {
    match error {
        AdminError::NoServer { .. } => Exit::Unavailable,
        AdminError::NotPermitted { .. } => Exit::NotPermitted,
        AdminError::Deadline { .. }
        | AdminError::Refused(_)
        | AdminError::Malformed { .. }
        | AdminError::Connection { .. } => Exit::Failure,
    }
}

fn admin_hint(error: &AdminError) -> Option<String> {
    let hint = match error {
        AdminError::NoServer { socket, .. } => {
            let data_dir = shell_word(socket.parent().unwrap_or(socket));
            return Some(format!(
                "start it with 'grantd serve --data-dir {data_dir}', or name the data directory of one that runs with \
                 --data-dir"
            ));
        }
        AdminError::NotPermitted { .. } => "run this as the user that grantd runs as, or as root",
        AdminError::Refused(Status { code: 404, .. }) => "'grantd grant list -A' shows the grants there are",
        AdminError::Refused(Status { code: 409, .. }) => "choose another name, or delete that grant first",
        AdminError::Refused(Status { code: 503, .. }) | AdminError::Deadline { .. } | AdminError::Connection { .. } => {
            "try again; see the server's log"
        }
        AdminError::Malformed { .. } => "see that the grantd that serves and this one are of one version",
        AdminError::Refused(_) => return None,
    };
    Some(hint.to_owned())
}

fn not_ready_of(not_ready: usize, all: usize) -> String {
    match (not_ready, all) {
        (_, 1) => "the link is not ready".to_owned(),
        (1, _) => format!("1 of {all} links is not ready"),
        (_, _) => format!("{not_ready} of {all} links are not ready"),
    }
}

/// What to do about a file that cannot be written.
fn write_hint(error: &FileError) -> String {
    use io::ErrorKind::{NotADirectory, NotFound, QuotaExceeded, StorageFull};
    let kind = error.source.kind();
    let hint = if matches!(kind, NotFound | NotADirectory) {
        "choose a directory that exists, or make it first"
    } else if matches!(kind, StorageFull | QuotaExceeded) {
        "free some disk space, or choose another place"
    } else {
        "choose a place that you may write to"
    };
    hint.to_owned()
}

fn redeem_exit(error: &RedeemTokenError) -> Exit {
    match error {
        RedeemTokenError::BadUrl { .. }
        | RedeemTokenError::NotHttps { .. }
        | RedeemTokenError::NoCa
        | RedeemTokenError::CaUnreadable
        | RedeemTokenError::BadSubject => Exit::Usage,
        RedeemTokenError::NameNotResolved { .. }
        | RedeemTokenError::Connect { .. }
        | RedeemTokenError::Deadline { step: Step::Resolve | Step::Connect | Step::Handshake, .. } => Exit::Unavailable,
        RedeemTokenError::Deadline { step: Step::Answer, .. }
        | RedeemTokenError::TlsSetup { .. }
        | RedeemTokenError::Tls { .. }
        | RedeemTokenError::Connection { .. }
        | RedeemTokenError::CutShort { .. }
        | RedeemTokenError::TooLarge { .. }
        | RedeemTokenError::Redirect { .. }
        | RedeemTokenError::Refused { .. }
        | RedeemTokenError::NotABundle { .. }
        | RedeemTokenError::CertificateRequest { .. }
        | RedeemTokenError::WrongKey { .. }
        | RedeemTokenError::WrongName { .. } => Exit::Failure,
    }
}

fn spent_hint(written: &[PathBuf], rescued: Option<&Path>) -> String {
    let paths = written.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    match (rescued, written.is_empty()) {
        (Some(file), true) => format!(
            "nothing is lost: the Secret and its Links are in {0}, which is a secret (mode 0600); use it with \
             'kubectl apply -f {0}', or move it to input/resources of the site's namespace",
            shell_word(file)
        ),
        (Some(file), false) => format!(
            "nothing is lost: the Secret and its Links are in {0}, which is a secret (mode 0600); delete what was written \
             ({paths}) and use it with 'kubectl apply -f {0}', or move it to input/resources of the site's namespace",
            shell_word(file)
        ),
        (None, true) => {
            "this redemption is spent, and nothing was written; free some disk space, and ask for a new token"
                .to_owned()
        }
        (None, false) => {
            format!(
                "this redemption is spent; delete what was written ({paths}), free some disk space, and ask for a new token"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_space(path: &str) -> FileError {
        FileError { action: "write", path: path.into(), source: io::ErrorKind::StorageFull.into() }
    }

    #[test]
    fn a_message_is_followed_by_its_causes() {
        let cause = Box::new(CliError::Write(no_space("west.yaml")));
        let error = CliError::NotIssued { grant: "g".parse().unwrap(), left: None, cause };
        assert_eq!(
            error.chain(),
            "no token was issued, and grant g was deleted again: cannot write west.yaml: no storage space"
        );
        assert_eq!((error.exit(), error.hint().is_some()), (Exit::Failure, true));
    }

    #[test]
    fn a_spent_redemption_names_what_was_written() {
        let error = CliError::Spent {
            again: None,
            written: vec!["Secret-west.yaml".into()],
            rescued: None,
            source: no_space("Link-west.yaml"),
        };
        assert!(error.chain().contains("Link-west.yaml"));
        let hint = error.hint().unwrap();
        assert!(hint.contains("this redemption is spent") && hint.contains("Secret-west.yaml"), "{hint}");
    }

    #[test]
    fn a_missing_server_and_a_server_of_another_user_have_different_exit_codes() {
        let socket = PathBuf::from("/d/admin.sock");
        let source = || io::Error::from(io::ErrorKind::NotFound);
        let absent = CliError::Admin(AdminError::NoServer { socket: socket.clone(), source: source() });
        let foreign = CliError::Admin(AdminError::NotPermitted { socket, source: source() });
        assert_eq!((absent.exit().code(), foreign.exit().code()), (69, 77));
        assert!(absent.hint().unwrap().contains("'grantd serve --data-dir /d'"));
        assert!(foreign.hint().unwrap().contains("as the user that grantd runs as"));
    }

    #[test]
    fn of_several_failures_none_is_lost() {
        assert!(CliError::all(Vec::new()).is_ok());
        assert!(matches!(CliError::all(vec![CliError::usage("a")]), Err(CliError::Usage { .. })));
        let Err(CliError::Several(errors)) = CliError::all(vec![CliError::usage("a"), CliError::usage("b")]) else {
            panic!()
        };
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b"]);
    }
}
