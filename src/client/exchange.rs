//! One HTTP/1.1 request on one connection, and its bounded answer.

use std::io;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Body as _, Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};
use zeroize::Zeroizing;

/// Enough for every header section that our doors and Skupper's send.
const MAX_HEADER_SECTION_BYTES: usize = 64 * 1024;

/// A request's body; wiped when dropped, as it may hold a code.
pub(super) fn body(bytes: Zeroizing<Vec<u8>>) -> Full<Bytes> {
    Full::new(Bytes::from_owner(bytes))
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// The connection failed.
    Connection(io::Error),
    /// It ended in the middle of the answer.
    CutShort(io::Error),
    /// The answer has more bytes than it may have.
    TooLarge,
}

impl From<hyper::Error> for ExchangeError {
    fn from(error: hyper::Error) -> Self {
        if error.is_incomplete_message() {
            Self::CutShort(io::Error::other(error))
        } else {
            Self::Connection(io::Error::other(error))
        }
    }
}

/// An answer whose head has come.
pub(super) struct Exchange {
    response: Response<Incoming>,
    /// Moves the bytes; ends with this value.
    _connection: JoinSet<hyper::Result<()>>,
}

impl Exchange {
    /// Sends a request and waits for the head of its answer.
    pub(super) async fn begin<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Self, ExchangeError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::Builder::new()
            // Header names as Go clients write them.
            .title_case_headers(true)
            .max_buf_size(MAX_HEADER_SECTION_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let response = sender.send_request(request).await?;
        Ok(Self { response, _connection: connections })
    }

    pub(super) fn status(&self) -> hyper::StatusCode {
        self.response.status()
    }

    /// A header as text for people; absent also when it is none.
    pub(super) fn header(&self, name: hyper::header::HeaderName) -> Option<String> {
        self.response.headers().get(name).map(|value| printable(value.as_bytes(), 256))
    }

    /// The next bytes of the body, as many as have come; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, ExchangeError> {
        while let Some(frame) = self.response.body_mut().frame().await {
            let frame = frame.map_err(|error| ExchangeError::CutShort(io::Error::other(error)))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The whole body, of at most `limit` bytes.
    pub(super) async fn body(self, limit: usize) -> Result<Zeroizing<Vec<u8>>, ExchangeError> {
        let Self { response, _connection } = self;
        let mut incoming = response.into_body();
        let announced = incoming.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
        if announced.is_some_and(|bytes| bytes > limit) {
            return Err(ExchangeError::TooLarge);
        }
        let mut whole = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(16 * 1024)));
        while let Some(frame) = incoming.frame().await {
            // What fails once the body has begun is a body that has not ended, whatever the socket calls it.
            let frame = frame.map_err(|error| ExchangeError::CutShort(io::Error::other(error)))?;
            if let Ok(data) = frame.into_data() {
                if whole.len() + data.len() > limit {
                    return Err(ExchangeError::TooLarge);
                }
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole)
    }

    /// The beginning of the body as text for people: trimmed, at most `limit` bytes, without control characters. An
    /// empty text when it does not come.
    pub(super) async fn text(self, limit: usize) -> String {
        let Self { response, _connection } = self;
        let mut incoming = response.into_body();
        let mut start = Vec::new();
        while start.len() < limit {
            let Some(Ok(frame)) = incoming.frame().await else { break };
            if let Ok(data) = frame.into_data() {
                start.extend_from_slice(&data);
            }
        }
        printable(&start, limit)
    }
}

/// Text for people out of bytes that somebody else chose: it must not move the cursor of a terminal.
pub(super) fn printable(bytes: &[u8], limit: usize) -> String {
    let start = &bytes[..bytes.len().min(limit)];
    let text = String::from_utf8_lossy(start).replace(char::is_control, " ");
    text.trim().to_owned()
}
