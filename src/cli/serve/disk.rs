//! The disk at the start: a start that fails because it is full, and what a kill left on it.

use std::{path::Path, time::Duration};

use tracing::{info, warn};

use super::ServeError;
use crate::{app::chain, cli::data_dir::DataDir, file, time::Timestamp};

/// The age from which a temporary file is not one that a command is writing.
const UNFINISHED: Duration = Duration::from_secs(60);

/// Removes the temporary files of processes that were killed. Failing to costs disk space only.
pub(super) fn tidy(data_dir: &DataDir, now: Timestamp) {
    match file::remove_unfinished(data_dir.path(), now.saturating_sub(UNFINISHED).unix_seconds()) {
        Ok(0) => {}
        Ok(files) => info!(files, "temporary files of interrupted writes removed"),
        Err(error) => warn!(error = %chain(&error), "temporary files of interrupted writes not removed"),
    }
}

/// What a first start needs: a database, keys, certificates, and a part of the log.
const NEEDED: u64 = 1024 * 1024;

/// The same fault, or that the disk is full and the fault comes from that.
pub(super) fn explained(fault: ServeError, data_dir: &Path) -> ServeError {
    // The data directory may not be there yet.
    let Some(directory) = data_dir.ancestors().find(|path| path.exists()) else { return fault };
    match file::free_bytes(directory) {
        Ok(free) if free < NEEDED && fault.may_come_from_a_full_disk() => {
            ServeError::DiskFull { directory: directory.to_owned(), free_kib: free / 1024, source: Box::new(fault) }
        }
        Ok(_) | Err(_) => fault,
    }
}
