//! Level 1: one file that holds several, with a checksum at its end. Written and read in streams, of any size.
//!
//! A text says what is in it: a line with the name of the format, `created` and a time, `version` and a version, `file`, a
//! size in bytes and a path for each file, and an empty line. Then come the contents, one after the other, and the SHA-256 of
//! everything before.

mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod header;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
};

use aws_lc_rs::digest::{self, SHA256};

pub use error::ArchiveError;
use header::{DIGEST_BYTES, FORMAT};
pub use header::{Entry, EntryPath, EntryPathError, Header, MOST_ENTRIES};

/// The most bytes of the text before the contents: enough for the most files with the longest paths.
const MOST_HEADER_BYTES: u64 = 1024 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;

/// Writes an archive of these contents, which are those of the header's files in their order.
///
/// # Errors
/// [`ArchiveError::Changed`] when a content has another size than the header says, and [`ArchiveError::System`].
pub fn write<R: Read>(
    to: &mut impl Write,
    header: &Header,
    mut open: impl FnMut(&EntryPath) -> io::Result<R>,
) -> Result<(), ArchiveError> {
    let mut context = digest::Context::new(&SHA256);
    let text = header.to_text();
    context.update(text.as_bytes());
    to.write_all(text.as_bytes()).map_err(ArchiveError::System)?;
    for Entry { path, size } in &header.entries {
        let mut from = open(path).map_err(ArchiveError::System)?;
        let copied = copy(&mut from, to, *size, &mut context)?;
        let more = from.read(&mut [0]).map_err(ArchiveError::System)?;
        if copied != *size || more != 0 {
            return Err(ArchiveError::Changed(path.to_string()));
        }
    }
    to.write_all(context.finish().as_ref()).map_err(ArchiveError::System)
}

/// Copies at most `size` bytes; answers how many there were.
fn copy(
    from: &mut impl Read,
    to: &mut impl Write,
    size: u64,
    context: &mut digest::Context,
) -> Result<u64, ArchiveError> {
    let mut from = from.take(size);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut copied = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ArchiveError::System(error)),
        };
        context.update(&buffer[..read]);
        to.write_all(&buffer[..read]).map_err(ArchiveError::System)?;
        copied += u64::try_from(read).unwrap_or(u64::MAX);
    }
}

/// An archive that is being read, with the contents still to come.
pub struct ArchiveReader<R> {
    header: Header,
    from: BufReader<R>,
    context: digest::Context,
}

impl ArchiveReader<File> {
    /// Reads what is in the archive, and checks its length.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(file: File) -> Result<Self, ArchiveError> {
        let found = file.metadata().map_err(ArchiveError::System)?.len();
        ArchiveReader::new(file, found)
    }
}

impl<R: Read> ArchiveReader<R> {
    /// The same for anything of this length.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn new(from: R, found: u64) -> Result<Self, ArchiveError> {
        let mut from = BufReader::new(from);
        let text = header_text(&mut from)?;
        let header = Header::read(&text)?;
        let expected = header.length(&text).unwrap_or(u64::MAX);
        if expected != found {
            return Err(ArchiveError::Length { expected, found });
        }
        let mut context = digest::Context::new(&SHA256);
        context.update(text.as_bytes());
        Ok(Self { header, from, context })
    }

    /// What is in it.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Copies every content to what `create` makes for it, and then compares the checksum: what was copied may be used only
    /// when this answers `Ok`.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn extract<W: Write>(
        mut self,
        mut create: impl FnMut(&EntryPath) -> Result<W, io::Error>,
    ) -> Result<Header, ArchiveError> {
        for Entry { path, size } in &self.header.entries {
            let mut to = create(path).map_err(ArchiveError::System)?;
            if copy(&mut self.from, &mut to, *size, &mut self.context)? != *size {
                return Err(ArchiveError::Checksum);
            }
            to.flush().map_err(ArchiveError::System)?;
        }
        let mut digest = Vec::new();
        self.from.take(DIGEST_BYTES + 1).read_to_end(&mut digest).map_err(ArchiveError::System)?;
        if digest == self.context.finish().as_ref() { Ok(self.header) } else { Err(ArchiveError::Checksum) }
    }
}

/// The text up to and with the first empty line.
fn header_text(from: &mut impl BufRead) -> Result<String, ArchiveError> {
    let mut text = Vec::new();
    let mut from = from.take(MOST_HEADER_BYTES);
    loop {
        let before = text.len();
        from.read_until(b'\n', &mut text).map_err(ArchiveError::System)?;
        let line = &text[before..];
        if before == 0 && line.strip_suffix(b"\n") != Some(FORMAT.as_bytes()) {
            return Err(ArchiveError::Format);
        }
        if line == b"\n" {
            break;
        }
        if !line.ends_with(b"\n") {
            let line = text.iter().filter(|byte| **byte == b'\n').count() + 1;
            return Err(ArchiveError::Header { line, what: "the empty line is missing" });
        }
    }
    String::from_utf8(text).map_err(|_| ArchiveError::Header { line: 1, what: "is no text" })
}
