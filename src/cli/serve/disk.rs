//! A start that fails because the disk is full.

use std::path::Path;

use super::ServeError;
use crate::file;

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
