//! Level 0: one file that holds several, with a checksum at its end. Written and read in streams, of any size.
//!
//! A text says what is in it: a line with the name of the format, `created` and a time, `version` and a version, `file`, a
//! size in bytes and a path for each file, and an empty line. Then come the contents, one after the other, and the SHA-256 of
//! everything before.

use std::{
    collections::HashSet,
    fmt::{self, Write as _},
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    str::FromStr,
};

use aws_lc_rs::digest::{self, SHA256};

use crate::time::Timestamp;

/// The first line.
const FORMAT: &str = "grantd backup 1";
/// The most files.
pub const MOST_ENTRIES: usize = 1_000;
/// The most bytes of the text before the contents: enough for the most files with the longest paths.
const MOST_HEADER_BYTES: u64 = 1024 * 1024;
const LONGEST_PATH: usize = 512;
const MOST_COMPONENTS: usize = 6;
const LONGEST_VERSION: usize = 64;
const DIGEST_BYTES: u64 = 32;
const BUFFER_BYTES: usize = 64 * 1024;

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It begins otherwise.
    #[error("this is no backup of grantd")]
    Format,
    /// The text before the contents breaks a rule.
    #[error("the backup is damaged: line {line}: {what}")]
    Header {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// It is shorter or longer than it says.
    #[error("the backup is damaged: it should have {expected} bytes and has {found}")]
    Length {
        /// The bytes that it should have.
        expected: u64,
        /// The bytes that it has.
        found: u64,
    },
    /// The contents are not those that were written.
    #[error("the backup is damaged: its checksum is wrong")]
    Checksum,
    /// A file changed its size while it was copied.
    #[error("{0} changed while it was copied")]
    Changed(EntryPath),
    /// Reading or writing failed.
    #[error("the backup cannot be read or written")]
    System(#[source] io::Error),
}

/// The path of a file in an archive: relative, of letters, digits, `.`, `_` and `-`; no part of it begins with a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryPath(String);

/// A text is no path of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a relative path of letters, digits, '.', '_' and '-', whose parts do not begin with '.'")]
pub struct EntryPathError;

impl EntryPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EntryPath {
    type Err = EntryPathError;

    fn from_str(text: &str) -> Result<Self, EntryPathError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed);
        let parts = text.split('/');
        if text.len() <= LONGEST_PATH && parts.clone().count() <= MOST_COMPONENTS && parts.clone().all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(EntryPathError)
        }
    }
}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it belongs.
    pub path: EntryPath,
    /// Its size in bytes.
    pub size: u64,
}

/// What is in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// When it was made.
    pub created: Timestamp,
    /// The version of the program that made it: printable ASCII without blanks.
    pub version: String,
    /// The files, in the order of their contents; no path twice.
    pub entries: Vec<Entry>,
}

impl Header {
    /// The text, with the empty line at its end.
    pub fn to_text(&self) -> String {
        let mut text = format!("{FORMAT}\ncreated {}\nversion {}\n", self.created, self.version);
        for Entry { path, size } in &self.entries {
            // Writing to a String does not fail.
            let _ = writeln!(text, "file {size} {path}");
        }
        text.push('\n');
        text
    }

    /// Reads the text, which ends with an empty line.
    ///
    /// # Errors
    /// [`ArchiveError::Format`] and [`ArchiveError::Header`].
    pub fn read(text: &str) -> Result<Self, ArchiveError> {
        let mut lines = (1..).zip(text.split('\n'));
        if lines.next().is_none_or(|(_, first)| first != FORMAT) {
            return Err(ArchiveError::Format);
        }
        let mut field = |name: &str, what: &'static str| {
            let (line, text) = lines.next().unwrap_or((0, ""));
            let value = text.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
            value.map(|value| (line, value)).ok_or(ArchiveError::Header { line, what })
        };
        let (line, created) = field("created", "the time is missing")?;
        let created: Timestamp =
            created.parse().map_err(|_| ArchiveError::Header { line, what: "the time is wrong" })?;
        let (line, version) = field("version", "the version is missing")?;
        if version.is_empty() || version.len() > LONGEST_VERSION || !version.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ArchiveError::Header { line, what: "the version is wrong" });
        }
        let mut entries = Vec::new();
        let mut paths = HashSet::new();
        for (line, text) in lines.by_ref() {
            let fault = |what| ArchiveError::Header { line, what };
            if text.is_empty() {
                break;
            }
            let entry = entry(text).ok_or(fault("is no file"))?;
            if !paths.insert(entry.path.clone()) {
                return Err(fault("is a file that was named before"));
            }
            if entries.len() == MOST_ENTRIES {
                return Err(fault("is one file too many"));
            }
            entries.push(entry);
        }
        // What follows the empty line, which the text ends with.
        match (lines.next(), lines.next()) {
            (Some((_, "")), None) => Ok(Self { created, version: version.to_owned(), entries }),
            (_, _) => Err(ArchiveError::Header { line: entries.len() + 4, what: "the empty line is missing" }),
        }
    }

    /// The bytes of the whole archive, `None` when that is no number.
    fn length(&self, text: &str) -> Option<u64> {
        let text = u64::try_from(text.len()).ok()?;
        let contents = self.entries.iter().try_fold(0_u64, |sum, entry| sum.checked_add(entry.size))?;
        text.checked_add(contents)?.checked_add(DIGEST_BYTES)
    }
}

fn entry(line: &str) -> Option<Entry> {
    let (size, path) = line.strip_prefix("file ")?.split_once(' ')?;
    let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
    // Without leading zeros, so that there is one way to write it.
    let plain = digits && (size == "0" || !size.starts_with('0'));
    Some(Entry { path: path.parse().ok()?, size: size.parse().ok().filter(|_| plain)? })
}

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
            return Err(ArchiveError::Changed(path.clone()));
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

/// Entry points for fuzzers.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    use super::*;

    /// Reads an archive from these bytes into nothing.
    pub fn archive(bytes: &[u8]) -> Option<Header> {
        let length = u64::try_from(bytes.len()).ok()?;
        let reader = ArchiveReader::new(bytes, length).ok()?;
        reader.extract(|_| Ok(io::sink())).ok()
    }

    /// Reads the text at the beginning of an archive; one that is read is written and read again as the same.
    pub fn header(text: &str) {
        if let Ok(header) = Header::read(text) {
            assert!(header.entries.len() <= MOST_ENTRIES, "too many files");
            assert!(Header::read(&header.to_text()).is_ok_and(|again| again == header), "what is written is read");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn header_of(files: &[(String, Vec<u8>)]) -> Header {
        let entries = files.iter().map(|(path, contents)| Entry {
            path: path.parse().unwrap(),
            size: u64::try_from(contents.len()).unwrap(),
        });
        let created = Timestamp::from_unix_seconds(1_700_000_000);
        Header { created, version: "1.2.3".to_owned(), entries: entries.collect() }
    }

    fn archive_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let content = |path: &EntryPath| Ok(&*files.iter().find(|(name, _)| name == path.as_str()).unwrap().1);
        write(&mut bytes, &header_of(files), content).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
        let reader = ArchiveReader::new(bytes, bytes.len() as u64)?;
        let mut contents: Vec<(String, Vec<u8>)> =
            reader.header().entries.iter().map(|entry| (entry.path.to_string(), Vec::new())).collect();
        let mut slots = contents.iter_mut();
        reader.extract(|_| Ok(&mut slots.next().unwrap().1))?;
        Ok(contents)
    }

    fn two_files() -> Vec<(String, Vec<u8>)> {
        vec![("grantd.db".to_owned(), vec![7; 5000]), ("issuers/west/ca/tls.key".to_owned(), b"key".to_vec())]
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let bytes = archive_of(&two_files());
        for place in (0..300).chain(bytes.len() - 100..bytes.len()) {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert!(read(&changed).is_err(), "byte {place}");
        }
    }

    #[test]
    fn every_other_length_is_noticed() {
        let bytes = archive_of(&two_files());
        for length in [0, 1, 15, 16, 60, 100, 3000, bytes.len() - 32, bytes.len() - 1] {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        assert!(matches!(read(&[&*bytes, b"x"].concat()), Err(ArchiveError::Length { .. })));
    }

    #[test]
    fn no_path_leads_out_of_the_directory() {
        for path in
            ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", ".hidden", "a/.b", "a b", "a\\b", "ä", "a/b/c/d/e/f/g"]
        {
            assert_eq!(path.parse::<EntryPath>(), Err(EntryPathError), "{path}");
        }
        assert!("issuers/west/skupper-site-ca/tls.crt".parse::<EntryPath>().is_ok());
    }

    #[test]
    fn a_file_is_named_once_and_sizes_do_not_overflow() {
        let text = |files: &str| format!("{FORMAT}\ncreated 2026-01-02T03:04:05Z\nversion 1\n{files}\n");
        assert!(Header::read(&text("file 1 a\nfile 2 b\n")).is_ok());
        for files in [
            "file 1 a\nfile 2 a\n",
            "file -1 a\n",
            "file 01 a\n",
            "file 1  a\n",
            "file 99999999999999999999 a\n",
            "x\n",
        ] {
            assert!(matches!(Header::read(&text(files)), Err(ArchiveError::Header { line: 4 | 5, .. })), "{files}");
        }
        let huge = text(&format!("file {} a\nfile {} b\n", u64::MAX, u64::MAX));
        assert!(matches!(ArchiveReader::new(huge.as_bytes(), 200), Err(ArchiveError::Length { .. })));
        let many = (0..=MOST_ENTRIES).map(|number| format!("file 1 a{number}\n")).collect::<String>();
        assert!(Header::read(&text(&many)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(contents in vec(vec(any::<u8>(), 0..3000), 0..6)) {
            let files: Vec<_> =
                contents.into_iter().enumerate().map(|(number, bytes)| (format!("d/f-{number}.x"), bytes)).collect();
            prop_assert_eq!(read(&archive_of(&files)).unwrap(), files);
        }

        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200), text in "(grantd backup 1\n)?(created [-0-9T:Z]{0,20}\n)?(version [!-~]{0,5}\n)?(file [0-9]{0,3} [a-z/.]{0,6}\n){0,4}\n?.{0,40}") {
            fuzzing::archive(&bytes);
            fuzzing::archive(text.as_bytes());
            fuzzing::header(&text);
        }
    }
}
