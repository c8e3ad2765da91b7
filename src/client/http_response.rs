//! Sends one HTTP/1.1 request on one connection, and reads its response within limits.

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

use crate::grant::Code;

/// The longest header section, in bytes: enough for those that grantd and Skupper send.
const MAX_HEADER_SECTION_BYTES: usize = 64 * 1024;

/// A request's body; wiped when dropped, as it may hold a code.
pub(super) fn body(bytes: Zeroizing<Vec<u8>>) -> Full<Bytes> {
    Full::new(Bytes::from_owner(bytes))
}

/// Why there is no whole response.
#[derive(Debug)]
pub(super) enum HttpError {
    /// The connection failed.
    Connection(io::Error),
    /// The connection ended in the middle of the response.
    CutShort(io::Error),
    /// The response has more bytes than the limit.
    TooLarge,
}

impl From<hyper::Error> for HttpError {
    fn from(error: hyper::Error) -> Self {
        if error.is_incomplete_message() {
            Self::CutShort(io::Error::other(error))
        } else {
            Self::Connection(io::Error::other(error))
        }
    }
}

/// A response whose header section has been received.
pub(super) struct HttpResponse {
    response: Response<Incoming>,
    /// The task that reads and writes the connection; it ends when this value is dropped.
    _connection: JoinSet<hyper::Result<()>>,
}

/// The quoted text of a warning with code 299, which is for people.
fn warning_text(header: &str) -> Option<String> {
    let quoted = header.strip_prefix("299 ")?.split_once(" \"")?.1.strip_suffix('"')?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        text.push(if character == '\\' { characters.next()? } else { character });
    }
    Some(printable(text.as_bytes(), 512))
}

impl HttpResponse {
    /// Sends a request and waits for the header section of its response.
    pub(super) async fn request<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Self, HttpError>
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

    /// The texts of the warnings for people (`Warning: 299 - "text"`, RFC 7234 5.5).
    pub(super) fn warnings(&self) -> Vec<String> {
        let values = self.response.headers().get_all(hyper::header::WARNING);
        values.iter().filter_map(|value| warning_text(value.to_str().ok()?)).collect()
    }

    /// A header as text for people, with the code removed; `None` when the response does not have it.
    pub(super) fn header(&self, name: hyper::header::HeaderName, code: &Code) -> Option<String> {
        let value = self.response.headers().get(name)?;
        Some(printable(&without(value.as_bytes(), code.expose().as_bytes()), 256))
    }

    /// The next bytes of the body, as many as have come; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        while let Some(frame) = self.response.body_mut().frame().await {
            let frame = frame.map_err(|error| HttpError::CutShort(io::Error::other(error)))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The whole body, of at most `limit` bytes.
    pub(super) async fn body(self, limit: usize) -> Result<Zeroizing<Vec<u8>>, HttpError> {
        let Self { response, _connection } = self;
        let mut incoming = response.into_body();
        let announced = incoming.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
        if announced.is_some_and(|bytes| bytes > limit) {
            return Err(HttpError::TooLarge);
        }
        let mut whole = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(16 * 1024)));
        while let Some(frame) = incoming.frame().await {
            // A failure after the body has begun means that the body is cut short, whatever the socket's error is.
            let frame = frame.map_err(|error| HttpError::CutShort(io::Error::other(error)))?;
            if let Ok(data) = frame.into_data() {
                if whole.len() + data.len() > limit {
                    return Err(HttpError::TooLarge);
                }
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole)
    }

    /// The beginning of the body as text for people: trimmed, at most `limit` bytes, without control characters and
    /// without the code: a server may repeat what it was sent, and the code must not get into logs. An empty text when no
    /// body comes.
    pub(super) async fn text(self, limit: usize, code: &Code) -> String {
        let secret = code.expose().as_bytes();
        let Self { response, _connection } = self;
        let mut incoming = response.into_body();
        let mut start = Zeroizing::new(Vec::new());
        // Reads further than the limit by the secret's length, so that a secret which begins within it is found whole.
        while start.len() < limit + secret.len() {
            let Some(Ok(frame)) = incoming.frame().await else { break };
            if let Ok(data) = frame.into_data() {
                start.extend_from_slice(&data);
            }
        }
        printable(&without(&start, secret), limit)
    }
}

/// Replaces a secret in text for people.
const REDACTED: &[u8] = b"(redacted)";
/// Shorter secrets are not removed: they occur in many texts by chance.
const SHORTEST_SECRET: usize = 6;

/// The bytes, with every occurrence of the secret replaced.
pub(super) fn without(bytes: &[u8], secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut clean = Zeroizing::new(Vec::with_capacity(bytes.len() + REDACTED.len()));
    let mut rest = bytes;
    while let Some((first, others)) = rest.split_first() {
        match rest.strip_prefix(secret).filter(|_| secret.len() >= SHORTEST_SECRET) {
            Some(after) => {
                clean.extend_from_slice(REDACTED);
                rest = after;
            }
            None => {
                clean.push(*first);
                rest = others;
            }
        }
    }
    clean
}

/// Text for people from bytes that the other side chose: without control characters, which move a terminal's cursor, and
/// without marks that change the direction of the text beside it.
pub(super) fn printable(bytes: &[u8], limit: usize) -> String {
    let start = &bytes[..bytes.len().min(limit)];
    let text = String::from_utf8_lossy(start).replace(is_unfit, " ");
    // Replacing invalid UTF-8 makes the text longer, so it is cut again.
    let end = text.floor_char_boundary(limit);
    text[..end].trim().to_owned()
}

/// Control characters, line separators, and the marks of UAX #9 that change the direction of text.
fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_removed_wherever_it_is() {
        let clean = |text: &str, secret: &str| String::from_utf8(without(text.as_bytes(), secret.as_bytes()).to_vec());

        assert_eq!(clean("got canary-1canary-1!", "canary-1").unwrap(), "got (redacted)(redacted)!");
        assert_eq!(clean("got canary-", "canary-1").unwrap(), "got canary-");
        assert_eq!(clean("a cat", "a").unwrap(), "a cat");
        assert_eq!(clean("abc", "").unwrap(), "abc");
    }

    #[test]
    fn a_warning_for_people_is_read_without_its_quotes() {
        let read = |header: &str| warning_text(header);
        assert_eq!(read("299 - \"unknown field \\\"a\\\"\"").as_deref(), Some("unknown field \"a\""));
        assert_eq!(read("299 - \"\""), Some(String::new()));
        for other in ["", "199 - \"x\"", "299 - x", "299 - \"x", "299 -\"", "299 - \"x\\\""] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn text_for_people_is_one_bounded_line_that_reads_from_left_to_right() {
        assert_eq!(printable(b" a\x1b[2Jb\r\n", 100), "a [2Jb");
        assert_eq!(printable("a\u{202e}b\u{2066}c\u{2028}d".as_bytes(), 100), "a b c d");
        assert_eq!(printable(&[0xff; 100], 30).len(), 30);
        assert_eq!(printable("\u{e4}\u{e4}".as_bytes(), 3).chars().next(), Some('\u{e4}'));
    }
}
