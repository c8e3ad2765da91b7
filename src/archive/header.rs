//! The text at the beginning of an archive: what is in it.

use std::{
    collections::HashSet,
    fmt::{self, Write as _},
    str::FromStr,
};

use super::error::ArchiveError;
use crate::time::Timestamp;

/// The first line.
pub(super) const FORMAT: &str = "grantd backup 1";
/// The most files.
pub const MOST_ENTRIES: usize = 1_000;
const LONGEST_PATH: usize = 512;
const MOST_COMPONENTS: usize = 6;
const LONGEST_VERSION: usize = 64;
pub(super) const DIGEST_BYTES: u64 = 32;

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
    pub(super) fn length(&self, text: &str) -> Option<u64> {
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
