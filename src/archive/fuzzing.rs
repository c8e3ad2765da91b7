//! Entry points for fuzzers, which can call public items only, and for property tests. Not part of the program.

use std::io;

use super::{ArchiveReader, Header, MOST_ENTRIES};

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
