//! Responses that come line by line and end when the server ends them: watches.

use std::path::PathBuf;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::client::{
    admin_error::{AdminError, failed},
    http_response::HttpResponse,
};

/// The longest line of an answer. A line is one object with the type of the event; no stored object is nearly as large.
pub(super) const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// The documents of a response with one document on each line, as they come.
pub struct Lines {
    response: HttpResponse,
    buffer: LineBuffer,
    socket: PathBuf,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Lines {
    pub(super) fn new(response: HttpResponse, socket: PathBuf) -> Self {
        Self { response, buffer: LineBuffer::new(MAX_LINE_BYTES), socket }
    }

    /// Waits, for as long as it takes, for the next document; `None` when the server has ended the answer. What
    /// follows the last line break is dropped then: it was cut.
    ///
    /// # Errors
    /// [`AdminError::Malformed`] for a line that is no JSON or has more than 8 MiB, [`AdminError::Connection`] for a
    /// connection that breaks.
    pub async fn next(&mut self) -> Result<Option<Value>, AdminError> {
        loop {
            while let Some(line) = self.buffer.take()? {
                if !line.iter().all(u8::is_ascii_whitespace) {
                    let document = serde_json::from_slice(&line);
                    return document.map(Some).map_err(|_| AdminError::Malformed { what: "the answer is not JSON" });
                }
            }
            match self.response.chunk().await.map_err(|error| failed(&self.socket, error))? {
                Some(bytes) => self.buffer.push(&bytes),
                None => return Ok(None),
            }
        }
    }
}

/// Collects bytes, however they were cut, and returns lines. Wiped when dropped: an object may hold a secret.
pub(in crate::client) struct LineBuffer {
    bytes: Zeroizing<Vec<u8>>,
    /// How many of the first bytes were searched already and hold no line break.
    searched: usize,
    limit: usize,
}

impl LineBuffer {
    pub(in crate::client) fn new(limit: usize) -> Self {
        Self { bytes: Zeroizing::default(), searched: 0, limit }
    }

    pub(in crate::client) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The first whole line, without its end.
    pub(in crate::client) fn take(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, AdminError> {
        let found = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n').map(|at| self.searched + at);
        if found.unwrap_or(self.bytes.len()) > self.limit {
            return Err(AdminError::Malformed { what: "a line of the answer is larger than 8 MiB" });
        }
        let Some(end) = found else {
            self.searched = self.bytes.len();
            return Ok(None);
        };
        let line = Zeroizing::new(self.bytes[..end].to_vec());
        self.bytes.drain(..=end);
        self.searched = 0;
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]], limit: usize) -> Result<Vec<String>, AdminError> {
        let (mut buffer, mut lines) = (LineBuffer::new(limit), Vec::new());
        for chunk in chunks {
            buffer.push(chunk);
            while let Some(line) = buffer.take()? {
                lines.push(String::from_utf8_lossy(&line).into_owned());
            }
        }
        Ok(lines)
    }

    #[test]
    fn a_line_is_one_wherever_it_was_cut_and_only_with_its_end() {
        assert_eq!(lines(&[b"a", b"b\n\nc", b"d", b"\ne"], 9).unwrap(), ["ab", "", "cd"]);
    }

    #[test]
    fn a_line_has_its_limit_with_and_without_its_end() {
        assert_eq!(lines(&[b"1234\n5678\n"], 4).unwrap(), ["1234", "5678"]);
        for chunks in [&[&b"12345"[..]][..], &[b"12345\n"], &[b"1\n123", b"45"]] {
            assert!(matches!(lines(chunks, 4), Err(AdminError::Malformed { .. })), "{chunks:?}");
        }
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(text in "[a-z\n]{0,60}", size in 1_usize..9) {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let whole: Vec<&str> = text.split('\n').collect();
            prop_assert_eq!(lines(&chunks, 60).unwrap(), &whole[..whole.len() - 1]);
        }
    }
}
