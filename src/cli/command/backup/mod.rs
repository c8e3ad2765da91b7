//! `grantd backup`: one file with everything that a server needs to go on.

pub(crate) mod create;
mod files;
pub(crate) mod restore;
pub(crate) mod verify;

use std::{
    fs,
    path::{Path, PathBuf},
};

use files::{DATABASE, SEALING_KEY};

use crate::{
    archive::{ArchiveReader, Header},
    cli::{backup_error::BackupError, error::CliError},
    file::{self, FileError},
    store::{self, CopySummary},
};

/// A private directory for the time of a command, removed with everything in it.
struct Workplace(PathBuf);

impl Workplace {
    fn within(directory: &Path) -> Result<Self, CliError> {
        let path = directory.join(format!(".grantd-{}", uuid::Uuid::new_v4().as_simple()));
        file::create_private_directory(&path).map_err(CliError::Write)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Extracts a backup into this directory, and checks everything that can be checked.
async fn extract(backup: &Path, into: &Path) -> Result<(Header, CopySummary), CliError> {
    let damaged = |source| CliError::Backup(BackupError::Archive { file: backup.to_owned(), source });
    let opened = fs::File::open(backup);
    let opened =
        opened.map_err(|source| CliError::Read(FileError { action: "read", path: backup.to_owned(), source }))?;
    let reader = ArchiveReader::open(opened).map_err(damaged)?;
    for needed in [DATABASE, SEALING_KEY] {
        if !reader.header().entries.iter().any(|entry| entry.path.as_str() == needed) {
            return Err(CliError::Backup(BackupError::Incomplete(needed)));
        }
    }
    let header = reader.extract(|path| files::create(&into.join(path.as_str()))).map_err(damaged)?;
    let checked = store::check_database(&into.join(DATABASE), &into.join(SEALING_KEY)).await;
    Ok((header, checked.map_err(|error| CliError::Backup(BackupError::Database(error)))?))
}

fn summary(header: &Header, found: CopySummary) -> String {
    let CopySummary { schema, grants, redemptions } = found;
    let Header { created, version, entries } = header;
    format!(
        "made {created} by grantd {version}: {} files, schema version {schema}, {grants} grants, {redemptions} redemptions \
         in the ledger",
        entries.len()
    )
}
