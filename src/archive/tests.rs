//! What is written is read, and nothing else is.

use proptest::{collection::vec, prelude::*};

use super::{
    ArchiveError, ArchiveReader, Entry, EntryPath, EntryPathError, Header, MOST_ENTRIES, fuzzing, header::FORMAT, write,
};
use crate::time::Timestamp;

fn header_of(files: &[(String, Vec<u8>)]) -> Header {
    let entries = files
        .iter()
        .map(|(path, contents)| Entry { path: path.parse().unwrap(), size: u64::try_from(contents.len()).unwrap() });
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
    for files in
        ["file 1 a\nfile 2 a\n", "file -1 a\n", "file 01 a\n", "file 1  a\n", "file 99999999999999999999 a\n", "x\n"]
    {
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
