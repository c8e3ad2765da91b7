//! A client of the admin API of a running server.

pub(super) mod lines;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Uri,
    body::Bytes,
    header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
};
use serde_json::Value;
use tokio::{net::UnixStream, time::timeout};
use zeroize::Zeroizing;

pub use lines::Lines;

use super::{
    admin_error::{AdminError, Status, failed, not_connected},
    http_response::{HttpResponse, body},
};

/// The longest answer, in bytes: far more than a page of a list has.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A client of the admin API: one connection for each request.
#[derive(Debug, Clone)]
pub struct AdminClient {
    socket: PathBuf,
    deadline: Duration,
    /// The server's warnings, each once; shared by all clones.
    warnings: Arc<Mutex<Vec<String>>>,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminMethod {
    /// Reads an object or a list.
    Get,
    /// Creates an object.
    Post,
    /// Replaces an object.
    Put,
    /// Changes the fields that are given (RFC 7396).
    MergePatch,
    /// Deletes an object.
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

/// The form in which the server answers objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Whole objects.
    Objects,
    /// Rows of a table, for printing (docs/kubernetes-api.md section 4.3).
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

impl AdminClient {
    /// A client of the server that listens on this Unix socket; each request must be done within `deadline`.
    pub fn unix(socket: PathBuf, deadline: Duration) -> Self {
        Self { socket, deadline, warnings: Arc::default() }
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

    /// Sends a request whose answer comes line by line until the server ends it. Only the head of the answer must
    /// come within the deadline.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn watch(&self, form: Form, path_and_query: &str) -> Result<Lines, AdminError> {
        let request = request(AdminMethod::Get, form, path_and_query, None)?;
        let response = self.in_time(self.begin(request)).await?;
        Ok(Lines::new(response, self.socket.clone()))
    }

    /// Takes the warnings that the server sent with its answers so far.
    pub fn take_warnings(&self) -> Vec<String> {
        // A poisoned lock still holds a whole list.
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep_warnings(&self, warnings: Vec<String>) {
        let mut kept = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in warnings {
            if !kept.contains(&warning) {
                kept.push(warning);
            }
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, AdminError>>) -> Result<T, AdminError> {
        timeout(self.deadline, work)
            .await
            .unwrap_or_else(|_| Err(AdminError::Deadline { socket: self.socket.clone(), limit: self.deadline }))
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Value, AdminError> {
        let response = self.begin(request).await?;
        let answer = response.body(MAX_ANSWER_BYTES).await.map_err(|error| failed(&self.socket, error))?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).map_err(|_| AdminError::Malformed { what: "the answer of grantd is not JSON" })
    }

    /// An answer of success whose body is still to be read.
    async fn begin(&self, request: Request<Full<Bytes>>) -> Result<HttpResponse, AdminError> {
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|source| not_connected(&self.socket, source))?;
        let response = HttpResponse::request(stream, request).await.map_err(|error| failed(&self.socket, error))?;
        let status = response.status();
        self.keep_warnings(response.warnings());
        if status.is_success() {
            return Ok(response);
        }
        let answer = response.body(MAX_ANSWER_BYTES).await.map_err(|error| failed(&self.socket, error))?;
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

#[cfg(test)]
mod tests;
