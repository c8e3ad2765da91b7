//! Opening a database: the lock, the files, the migrations.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::store::{OpenError, sql::open::file_error};

/// The lock that only one process can hold. It is released when this is dropped or the process ends, also by a crash.
pub(super) struct Lock(File);

impl Lock {
    /// Releases the lock. Closing the file is not enough: a child process that is just being started has it open too.
    pub(super) fn release(&self) {
        let _ = self.0.unlock();
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.release();
    }
}

/// Takes the lock.
pub(super) fn lock(path: &Path) -> Result<Lock, OpenError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(file_error("open the lock", path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { lock: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(file_error("lock", path)(source)),
    }
}

/// Makes sure that the database's files are there for the owner alone. SQLite gives the mode of the database to the
/// files beside it; those of a crashed process are tightened here too.
pub(super) fn prepare_files(database: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(database) {
        Ok(_) => sync_directory_of(database).map_err(file_error("sync the directory of", database))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(file_error("create", database)(error)),
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        make_private(Path::new(&path)).map_err(file_error("make private", Path::new(&path)))?;
    }
    Ok(())
}

fn make_private(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 == 0 => Ok(()),
        Ok(_) => fs::set_permissions(path, fs::Permissions::from_mode(0o600)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// The version since which the schema knows of rollbacks.
pub(super) const ROLLBACK_SCHEMA: i64 = 8;

/// The steps from an empty database to the schema of this program, in order. Steps are added, never changed.
pub(super) fn migrator() -> Migrator {
    let steps = [
        (1, "grants", include_str!("../../../migrations/sqlite/0001_grants.sql")),
        (2, "objects", include_str!("../../../migrations/sqlite/0002_objects.sql")),
        (3, "sealed places", include_str!("../../../migrations/sqlite/0003_sealed_places.sql")),
        (4, "replays", include_str!("../../../migrations/sqlite/0004_replays.sql")),
        (6, "readiness", include_str!("../../../migrations/sqlite/0006_readiness.sql")),
        (7, "quotas", include_str!("../../../migrations/sqlite/0007_quotas.sql")),
        (8, "rollback", include_str!("../../../migrations/sqlite/0008_rollback.sql")),
    ];
    let migrations = steps.into_iter().map(|(version, description, statements)| {
        Migration::new(version, description.into(), MigrationType::Simple, statements.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}
