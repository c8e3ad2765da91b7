//! Whether the files of an open database are still those that were opened.
//!
//! SQLite goes on with a file that was deleted or replaced, as its descriptor stays open. What it commits then is lost when
//! the process ends. So the files are compared with their paths before each transaction, and again after its commit, before
//! anyone is told that it is durable.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::connection::JOURNAL_SIZE_LIMIT;
use crate::store::{FileFault, OpenError, StoreFailure, sql::open::file_error};

/// The database, its log, the index of the log, and the lock.
#[derive(Debug)]
pub(super) struct OpenFiles {
    database: OpenFile,
    log: OpenFile,
    index: OpenFile,
    lock: OpenFile,
}

/// A file as it was when it was opened, and the size below which it has lost something.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    least: AtomicU64,
}

impl OpenFiles {
    /// The files as they are now. To be called while connections to the database are open.
    pub(super) fn of(database: &Path, lock: &Path) -> Result<Self, OpenError> {
        let beside = |suffix: &str| {
            let mut path = database.as_os_str().to_owned();
            path.push(suffix);
            OpenFile::of(PathBuf::from(path))
        };
        let files = Self {
            database: OpenFile::of(database.to_owned())?,
            log: beside("-wal")?,
            index: beside("-shm")?,
            lock: OpenFile::of(lock.to_owned())?,
        };
        Ok(files)
    }

    /// To be called before a transaction.
    ///
    /// # Errors
    /// [`StoreFailure::Files`]: a transaction would be lost.
    pub(super) fn before_transaction(&self) -> Result<(), StoreFailure> {
        for file in [&self.database, &self.log, &self.index, &self.lock] {
            file.check_size(&file.check_identity()?)?;
        }
        Ok(())
    }

    /// To be called after a commit.
    ///
    /// # Errors
    /// [`StoreFailure::Files`]: what was committed is in files that a new process will not find.
    pub(super) fn after_commit(&self) -> Result<(), StoreFailure> {
        // Nothing but a VACUUM makes the database smaller, and the store does none.
        let size = self.database.check_identity()?.len();
        self.database.least.fetch_max(size, Ordering::Relaxed);
        // SQLite truncates the log to this limit when it begins a new one, and never further while it is open.
        let size = self.log.check_identity()?.len();
        self.log.least.store(size.min(JOURNAL_SIZE_LIMIT), Ordering::Relaxed);
        Ok(())
    }
}

impl OpenFile {
    fn of(path: PathBuf) -> Result<Self, OpenError> {
        let metadata = fs::metadata(&path).map_err(file_error("look at", &path))?;
        // The log may be truncated to nothing until the first commit.
        Ok(Self { device: metadata.dev(), inode: metadata.ino(), least: AtomicU64::new(0), path })
    }

    fn check_identity(&self) -> Result<fs::Metadata, StoreFailure> {
        let metadata = fs::metadata(&self.path).map_err(|error| {
            self.failure(if error.kind() == io::ErrorKind::NotFound {
                FileFault::Missing
            } else {
                FileFault::Unreadable(error.kind())
            })
        })?;
        if (metadata.dev(), metadata.ino()) == (self.device, self.inode) {
            Ok(metadata)
        } else {
            Err(self.failure(FileFault::Replaced))
        }
    }

    fn check_size(&self, metadata: &fs::Metadata) -> Result<(), StoreFailure> {
        if metadata.len() < self.least.load(Ordering::Relaxed) {
            // What was cut off does not come back, whatever size the file gets: no later check may succeed.
            self.least.store(u64::MAX, Ordering::Relaxed);
            return Err(self.failure(FileFault::Truncated));
        }
        Ok(())
    }

    fn failure(&self, fault: FileFault) -> StoreFailure {
        StoreFailure::Files { path: self.path.clone(), fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_that_is_moved_away_during_a_transaction_fails_its_commit() {
        let scratch = Scratch(std::env::temp_dir().join(format!("grantd-files-{}", uuid::Uuid::new_v4())));
        fs::create_dir(&scratch.0).unwrap();
        for name in ["grants.db", "grants.db-wal"] {
            for file in ["grants.db", "grants.db-wal", "grants.db-shm", "lock"] {
                fs::write(scratch.0.join(file), "x").unwrap();
            }
            let files = OpenFiles::of(&scratch.0.join("grants.db"), &scratch.0.join("lock")).unwrap();
            let fault = || match files.after_commit() {
                Err(StoreFailure::Files { path, fault }) if path.ends_with(name) => Some(fault),
                other => panic!("{name}: {other:?}"),
            };
            files.before_transaction().unwrap();
            files.after_commit().unwrap();

            fs::rename(scratch.0.join(name), scratch.0.join("aside")).unwrap();
            assert_eq!(fault(), Some(FileFault::Missing));
            fs::write(scratch.0.join(name), "x").unwrap();
            assert_eq!(fault(), Some(FileFault::Replaced));
        }
    }
}
