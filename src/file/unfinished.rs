//! The temporary files of writes that were killed before they were done.

use std::{ffi::OsStr, fs, io, os::unix::fs::MetadataExt, path::Path};

/// How many levels of directories are searched below the given one: a self-made issuer's files are two levels down.
const DEPTH: u32 = 3;

/// The name under which a file of this name is written before it is put in its place.
pub(super) fn temporary_name(name: &str) -> String {
    format!(".{name}.{}.tmp", uuid::Uuid::new_v4().as_simple())
}

fn is_temporary(name: &OsStr) -> bool {
    let number = || name.to_str()?.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.').map(|(_, number)| number);
    number().is_some_and(|number| number.len() == 32 && uuid::Uuid::try_parse(number).is_ok())
}

/// Removes such files, last written before `unix_seconds`, in this directory and in those below it. Answers their number.
pub(super) fn remove(directory: &Path, unix_seconds: i64) -> io::Result<u32> {
    search(directory, unix_seconds, DEPTH)
}

fn search(directory: &Path, unix_seconds: i64, depth: u32) -> io::Result<u32> {
    let mut removed = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            removed += search(&entry.path(), unix_seconds, depth - 1)?;
        } else if kind.is_file() && is_temporary(&entry.file_name()) && entry.metadata()?.mtime() < unix_seconds {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}
