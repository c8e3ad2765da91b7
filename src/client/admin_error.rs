//! Why a request of the admin API failed, and the refusals that the server answers.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::http_response::{HttpError, printable};

const MAX_PLAIN_TEXT_BYTES: usize = 1024;

/// Why a request of the admin API failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No server listens on the socket.
    #[error("no grantd is serving at {}", socket.display())]
    NoServer {
        /// The socket.
        socket: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The socket is another user's.
    #[error("this user may not use {}", socket.display())]
    NotPermitted {
        /// The socket.
        socket: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The deadline passed.
    #[error("grantd did not answer within {} s at {}", limit.as_secs_f32(), socket.display())]
    Deadline {
        /// The socket.
        socket: PathBuf,
        /// How much time there was.
        limit: Duration,
    },
    /// The server refused the request.
    #[error("{0}")]
    Refused(Status),
    /// The answer is not what the API promises, or the request is not one.
    #[error("{what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The connection failed.
    #[error("the connection to {} failed", socket.display())]
    Connection {
        /// The socket.
        socket: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

/// A refusal, as a Kubernetes Status (docs/kubernetes-api.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The HTTP status.
    pub code: u16,
    /// One word for programs: `NotFound`, `AlreadyExists`, `Invalid`, ...
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The fields that are wrong, if any.
    pub causes: Vec<StatusCause>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StatusCause {
    /// One word for programs.
    #[serde(default)]
    pub reason: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// The field, from the top of the object.
    #[serde(default)]
    pub field: String,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(f, "grantd refused: {} ({})", self.code, self.reason)
        } else {
            f.write_str(&self.message)
        }
    }
}

#[derive(Deserialize)]
struct StatusDocument {
    kind: String,
    #[serde(default)]
    code: u16,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    details: Option<StatusDetails>,
}

#[derive(Deserialize)]
struct StatusDetails {
    #[serde(default)]
    causes: Vec<StatusCause>,
}

impl Status {
    /// Reads the refusal that a watch ends with: the `object` of its `ERROR` event
    /// (docs/kubernetes-api.md section 4.4).
    ///
    /// # Errors
    /// [`AdminError::Malformed`] when it is no Status.
    pub fn of_event(object: &Value) -> Result<Self, AdminError> {
        match StatusDocument::deserialize(object) {
            Ok(status) if status.kind == "Status" => Ok(Self {
                code: status.code,
                reason: status.reason,
                message: status.message,
                causes: status.details.map(|details| details.causes).unwrap_or_default(),
            }),
            Ok(_) | Err(_) => Err(AdminError::Malformed { what: "the watch failed without saying why" }),
        }
    }

    /// Reads a refusal; one that is no Status, as a proxy might send, becomes a Status of its text.
    pub(super) fn read(code: StatusCode, answer: &[u8]) -> Self {
        match serde_json::from_slice::<StatusDocument>(answer) {
            Ok(status) if status.kind == "Status" => Self {
                code: code.as_u16(),
                reason: status.reason,
                message: status.message,
                causes: status.details.map(|details| details.causes).unwrap_or_default(),
            },
            Ok(_) | Err(_) => Self {
                code: code.as_u16(),
                reason: code.canonical_reason().unwrap_or("Unknown").to_owned(),
                message: printable(answer, MAX_PLAIN_TEXT_BYTES),
                causes: Vec::new(),
            },
        }
    }
}

/// The error of a connection that failed or of a response that is too large.
pub(super) fn failed(socket: &Path, error: HttpError) -> AdminError {
    match error {
        HttpError::Connection(source) | HttpError::CutShort(source) => {
            AdminError::Connection { socket: socket.to_owned(), source }
        }
        HttpError::TooLarge => AdminError::Malformed { what: "the answer is larger than 64 MiB: ask for less" },
    }
}

/// The error of a socket that cannot be connected to.
#[expect(clippy::wildcard_enum_match_arm, reason = "the kinds are the standard library's, and grow")]
pub(super) fn not_connected(socket: &Path, source: io::Error) -> AdminError {
    let socket = socket.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AdminError::NoServer { socket, source },
        io::ErrorKind::PermissionDenied => AdminError::NotPermitted { socket, source },
        _ => AdminError::Connection { socket, source },
    }
}
