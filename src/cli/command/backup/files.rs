//! Which files of a data directory are in a backup, and writing them.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::{
    archive::{Entry, EntryPath, MOST_ENTRIES},
    cli::{backup_error::BackupError, error::CliError},
    file::{self, FileError},
};

/// The database in a data directory and in a backup.
pub(super) const DATABASE: &str = "grantd.db";
/// Without this key nothing secret in the database can be read.
pub(super) const SEALING_KEY: &str = "sealing.key";
/// Directories in the data directory are not deeper than this: `issuers/NAMESPACE/ISSUER`.
const DEEPEST: usize = 4;
/// The name with which `restore --force` keeps what was there before.
pub(super) const BEFORE_RESTORE: &str = "before-restore-";

/// Whether a file at the top of the data directory is no part of a backup: it is copied in another way, is made anew by each
/// start, or is not grantd's.
fn is_left_out(name: &str) -> bool {
    let made_anew = ["grantd.db-wal", "grantd.db-shm", "grantd.lock", "admin.sock", "lost+found"];
    // What this host has seen: a restored database is behind it, and is known to be.
    let marks = ["clock.mark", "revision.mark"];
    name == DATABASE
        || marks.contains(&name)
        || made_anew.contains(&name)
        || name.starts_with(BEFORE_RESTORE)
        || name.starts_with('.')
}

/// The files of the data directory besides the database, in the order of their names.
pub(super) fn beside_the_database(data_dir: &Path) -> Result<Vec<Entry>, CliError> {
    let mut found = Vec::new();
    for name in names(data_dir)? {
        if !is_left_out(&name) {
            collect(data_dir, &name, 1, &mut found)?;
        }
    }
    Ok(found)
}

fn collect(data_dir: &Path, relative: &str, depth: usize, found: &mut Vec<Entry>) -> Result<(), CliError> {
    let path = data_dir.join(relative);
    let unfit = |what| CliError::Backup(BackupError::Unfit { path: path.clone(), what });
    let metadata = fs::metadata(&path).map_err(failed("look at", &path))?;
    if metadata.is_dir() {
        if depth >= DEEPEST {
            return Err(unfit("it is too deep"));
        }
        for name in names(&path)? {
            if !name.starts_with('.') {
                collect(data_dir, &format!("{relative}/{name}"), depth + 1, found)?;
            }
        }
        return Ok(());
    }
    if !metadata.is_file() {
        return Err(unfit("it is no regular file"));
    }
    if metadata.len() > file::MAX_BYTES {
        return Err(unfit("it is larger than 1 MiB"));
    }
    // One less, for the database.
    if found.len() + 1 >= MOST_ENTRIES {
        return Err(unfit("there are too many files"));
    }
    let entry_path: EntryPath =
        relative.parse().map_err(|_| unfit("its name has other characters than a-z, 0-9, '.', '_' and '-'"))?;
    found.push(Entry { path: entry_path, size: metadata.len() });
    Ok(())
}

/// The names in a directory, in order.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, CliError> {
    let list = || -> io::Result<Vec<String>> {
        let entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
        Ok(entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
    };
    let mut names = list().map_err(failed("list", directory))?;
    names.sort();
    Ok(names)
}

/// A file operation that failed.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CliError {
    let path = path.to_owned();
    move |source| CliError::Backup(BackupError::File(FileError { action, path, source }))
}

/// Creates a private file that does not exist yet, and its directories.
pub(super) fn create(path: &Path) -> io::Result<Synced> {
    if let Some(directory) = path.parent() {
        file::create_private_directory(directory).map_err(|error| error.source)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(Synced)
}

/// A file that is synced when it is flushed, which is done once, at its end.
pub(super) struct Synced(File);

impl io::Write for Synced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Makes renames in this directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), CliError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed("sync", directory))
}
