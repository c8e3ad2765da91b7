//! Talking to the admin door of a running server.

pub(super) mod lines;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode, Uri,
    body::Bytes,
    header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::{net::UnixStream, time::timeout};
use zeroize::Zeroizing;

pub use lines::Lines;

use super::exchange::{Exchange, ExchangeError, body, printable};

/// Lists come in pages; no page comes near this.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
const MAX_PLAIN_TEXT_BYTES: usize = 1024;

/// A client of the admin door: one connection a request.
#[derive(Debug, Clone)]
pub struct AdminClient {
    socket: PathBuf,
    deadline: Duration,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminMethod {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Changes the fields that are given (RFC 7396).
    MergePatch,
    /// Removes.
    Delete,
}

impl AdminMethod {
    fn http(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::MergePatch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::MergePatch => "application/merge-patch+json",
            Self::Get | Self::Post | Self::Put | Self::Delete => "application/json",
        }
    }
}

/// In which form objects are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Objects,
    /// As rows of what is worth printing (kubectl.md 4.3).
    Table,
}

impl Form {
    fn accept(self) -> &'static str {
        match self {
            Self::Objects => "application/json",
            Self::Table => "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        }
    }
}

/// Why the admin door gave no answer, or no good one.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens on the socket.
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
    /// Not done in time.
    #[error("grantd did not answer within {} s at {}", limit.as_secs_f32(), socket.display())]
    Deadline {
        /// The socket.
        socket: PathBuf,
        /// How much time there was.
        limit: Duration,
    },
    /// The server said no, and why.
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

/// A refusal as Kubernetes words it (kubectl.md).
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
    /// Reads the refusal that a watch ends with: the `object` of its `ERROR` event (kubectl.md 4.4).
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

impl AdminClient {
    /// A client of the server that listens on this Unix socket; each request must be done within `deadline`.
    pub fn unix(socket: PathBuf, deadline: Duration) -> Self {
        Self { socket, deadline }
    }

    /// Sends one request and reads its JSON answer, `null` when it is empty.
    ///
    /// `path_and_query` begins with a slash. Needs a Tokio runtime with time and I/O.
    ///
    /// # Errors
    /// [`AdminError`]; every status but 2xx is an [`AdminError::Refused`].
    pub async fn send(
        &self,
        method: AdminMethod,
        path_and_query: &str,
        body: Option<&Value>,
    ) -> Result<Value, AdminError> {
        self.in_time(self.ask(request(method, Form::Objects, path_and_query, body)?)).await
    }

    /// Reads an object or a list in this form.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn read(&self, form: Form, path_and_query: &str) -> Result<Value, AdminError> {
        self.in_time(self.ask(request(AdminMethod::Get, form, path_and_query, None)?)).await
    }

    /// Sends a request whose answer comes line by line for as long as the server likes. Only the head of the answer must
    /// come within the deadline.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn watch(&self, form: Form, path_and_query: &str) -> Result<Lines, AdminError> {
        let request = request(AdminMethod::Get, form, path_and_query, None)?;
        let exchange = self.in_time(self.begin(request)).await?;
        Ok(Lines::new(exchange, self.socket.clone()))
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, AdminError>>) -> Result<T, AdminError> {
        timeout(self.deadline, work)
            .await
            .unwrap_or_else(|_| Err(AdminError::Deadline { socket: self.socket.clone(), limit: self.deadline }))
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Value, AdminError> {
        let exchange = self.begin(request).await?;
        let answer = exchange.body(MAX_ANSWER_BYTES).await.map_err(|error| failed(&self.socket, error))?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).map_err(|_| AdminError::Malformed { what: "the answer of grantd is not JSON" })
    }

    /// An answer of success whose body is still to be read.
    async fn begin(&self, request: Request<Full<Bytes>>) -> Result<Exchange, AdminError> {
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|source| unreachable_door(&self.socket, source))?;
        let exchange = Exchange::begin(stream, request).await.map_err(|error| failed(&self.socket, error))?;
        let status = exchange.status();
        if status.is_success() {
            return Ok(exchange);
        }
        let answer = exchange.body(MAX_ANSWER_BYTES).await.map_err(|error| failed(&self.socket, error))?;
        Err(AdminError::Refused(Status::read(status, &answer)))
    }
}

fn request(
    method: AdminMethod,
    form: Form,
    path_and_query: &str,
    json: Option<&Value>,
) -> Result<Request<Full<Bytes>>, AdminError> {
    let malformed = |what| AdminError::Malformed { what };
    let uri: Uri = path_and_query.parse().map_err(|_| malformed("a request's path must be one of a URL"))?;
    if !path_and_query.starts_with('/') {
        return Err(malformed("a request's path must begin with a slash"));
    }
    let bytes = json.map(serde_json::to_vec).transpose().map_err(|_| malformed("a request's body must be JSON"))?;
    let mut request = Request::builder()
        .method(method.http())
        .uri(uri)
        .header(HOST, "localhost")
        .header(USER_AGENT, concat!("grantd/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, form.accept())
        .header(CONNECTION, "close");
    if bytes.is_some() {
        request = request.header(CONTENT_TYPE, method.content_type());
    }
    let bytes = Zeroizing::new(bytes.unwrap_or_default());
    request.body(body(bytes)).map_err(|_| malformed("a request's path must be one of a URL"))
}

fn failed(socket: &Path, error: ExchangeError) -> AdminError {
    match error {
        ExchangeError::Connection(source) | ExchangeError::CutShort(source) => {
            AdminError::Connection { socket: socket.to_owned(), source }
        }
        ExchangeError::TooLarge => AdminError::Malformed { what: "the answer is larger than 64 MiB: ask for less" },
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the kinds are the standard library's, and grow")]
fn unreachable_door(socket: &Path, source: io::Error) -> AdminError {
    let socket = socket.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AdminError::NoServer { socket, source },
        io::ErrorKind::PermissionDenied => AdminError::NotPermitted { socket, source },
        _ => AdminError::Connection { socket, source },
    }
}

#[cfg(test)]
mod tests;
