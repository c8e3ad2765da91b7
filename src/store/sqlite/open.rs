//! Opening a database: the lock, the files, the schema, the key.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sqlx::{
    Row as _, SqlSafeStr as _, SqliteConnection,
    migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator},
};

use crate::{
    file::FileError,
    grant::Revision,
    store::sql::{
        seal::{KeyFileError, Purpose, SealingKey},
        statements,
    },
};

/// The table in which sqlx's migrator keeps what it applied.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";
const PROBE_TEXT: &[u8] = b"grantd";

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process serves this database. Two would each count for themselves.
    #[error("another process holds the lock {}", lock.display())]
    Locked {
        /// The lock file.
        lock: PathBuf,
    },
    /// A newer grantd has migrated the database; this one must not touch it.
    #[error(
        "the database {} has schema version {found}, and this grantd knows only {known}: use a newer grantd",
        database.display()
    )]
    NewerSchema {
        /// The database.
        database: PathBuf,
        /// Its schema's version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The key does not open what is in the database.
    #[error("the sealing key {} does not belong to the database {}", key.display(), database.display())]
    WrongKey {
        /// The database.
        database: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The database was sealed with a key that is not there.
    #[error("the database {} needs its sealing key {}, which does not exist", database.display(), key.display())]
    KeyMissing {
        /// The database.
        database: PathBuf,
        /// Where the key should be.
        key: PathBuf,
    },
    /// Others can read the key.
    #[error("the sealing key {0} can be read by others: chmod 600 {0}", key.display())]
    KeyNotPrivate {
        /// The key file.
        key: PathBuf,
    },
    /// The key file holds something else.
    #[error("the sealing key {} is not one line of 32 bytes in base64", key.display())]
    KeyMalformed {
        /// The key file.
        key: PathBuf,
    },
    /// A file cannot be made, read or written.
    #[error("the store's files cannot be used")]
    File(#[source] FileError),
    /// The system gives no randomness for a key.
    #[error("the sealing key {} cannot be used", key.display())]
    KeyUnusable {
        /// The key file.
        key: PathBuf,
    },
    /// The schema cannot be brought to the version this program needs.
    #[error("the database {} cannot be migrated", database.display())]
    Migration {
        /// The database.
        database: PathBuf,
        /// What the migrator says.
        #[source]
        source: MigrateError,
    },
    /// The database cannot be used: damaged, not a database, locked, or not durable.
    #[error("the database {} cannot be used", database.display())]
    Unusable {
        /// The database.
        database: PathBuf,
        /// The database's own words.
        #[source]
        source: sqlx::Error,
    },
}

/// The lock that only one process holds; free again when this is dropped, or the process ends in whatever way.
pub(in crate::store) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that is just being started has it open too.
        let _ = self.0.unlock();
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

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File(FileError { action, path, source })
}

/// The steps from an empty database to the schema of this program, in order. Steps are added, never changed.
fn migrator() -> Migrator {
    let steps = [
        ("grants", include_str!("../../../migrations/sqlite/0001_grants.sql")),
        ("objects", include_str!("../../../migrations/sqlite/0002_objects.sql")),
    ];
    let migrations = (1..).zip(steps).map(|(version, (description, statements))| {
        Migration::new(version, description.into(), MigrationType::Simple, statements.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// Brings the schema to the version this program needs, and answers that version.
pub(super) async fn migrate(connection: &mut SqliteConnection, database: &Path) -> Result<i64, OpenError> {
    let failed = |source| OpenError::Migration { database: database.to_owned(), source };
    let migrator = migrator();
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    connection.ensure_migrations_table(MIGRATIONS_TABLE).await.map_err(failed)?;
    let applied = connection.list_applied_migrations(MIGRATIONS_TABLE).await.map_err(failed)?;
    let found = applied.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > known {
        return Err(OpenError::NewerSchema { database: database.to_owned(), found, known });
    }
    migrator.run_direct(None, connection, false).await.map_err(failed)?;
    Ok(known)
}

/// The revision at which the store is opened.
pub(super) async fn revision(connection: &mut SqliteConnection, database: &Path) -> Result<Revision, OpenError> {
    let unusable = |source| OpenError::Unusable { database: database.to_owned(), source };
    let row = sqlx::query(statements::REVISION).fetch_one(connection).await.map_err(unusable)?;
    let revision: i64 = row.try_get("revision").map_err(unusable)?;
    u64::try_from(revision).map(Revision).map_err(|error| unusable(sqlx::Error::Decode(error.into())))
}

/// The key that belongs to the database: made when the database is new, else tried on the database's probe.
pub(super) async fn unlock(
    connection: &mut SqliteConnection,
    database: &Path,
    path: &Path,
) -> Result<SealingKey, OpenError> {
    let unusable = |source| OpenError::Unusable { database: database.to_owned(), source };
    let row = sqlx::query(statements::PROBE).fetch_optional(&mut *connection).await.map_err(unusable)?;
    let exists = path.try_exists().map_err(file_error("look at", path))?;
    if let Some(row) = row {
        if !exists {
            return Err(OpenError::KeyMissing { database: database.to_owned(), key: path.to_owned() });
        }
        let key = SealingKey::read(path).map_err(key_error(path))?;
        let probe: &[u8] = row.try_get("probe").map_err(unusable)?;
        return match key.unseal(probe, Purpose::Probe) {
            Ok(_) => Ok(key),
            Err(_) => Err(OpenError::WrongKey { database: database.to_owned(), key: path.to_owned() }),
        };
    }
    let key = if exists { SealingKey::read(path) } else { SealingKey::create(path) }.map_err(key_error(path))?;
    let probe = key.seal(PROBE_TEXT, Purpose::Probe).map_err(|_| OpenError::KeyUnusable { key: path.to_owned() })?;
    sqlx::query(statements::STORE_PROBE).bind(probe).execute(connection).await.map_err(unusable)?;
    Ok(key)
}

fn key_error(path: &Path) -> impl FnOnce(KeyFileError) -> OpenError {
    let key = path.to_owned();
    move |error| match error {
        KeyFileError::NotPrivate => OpenError::KeyNotPrivate { key },
        KeyFileError::Malformed => OpenError::KeyMalformed { key },
        KeyFileError::File(source) => OpenError::File(source),
        KeyFileError::System(_) => OpenError::KeyUnusable { key },
    }
}
