//! Opening a database: the schema's version, the key, the revision.

use std::{io, path::Path};

use sqlx::migrate::{Migrate, Migrator};
use tracing::info;

use super::{
    backend::{Backend, Connection, Row, fetch},
    guard::{self, StoreState},
    seal::{KeyFileError, Purpose, SealingKey},
    statement::{Columns as _, Statement, statement},
    statements,
};
use crate::{
    file::FileError,
    grant::Revision,
    store::{DatabaseError, OpenError},
};

/// The table in which sqlx's migrator keeps what it applied.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";
const PROBE_TEXT: &[u8] = b"grantd";

/// Brings the schema to the version this program needs, and answers that version.
pub(in crate::store) async fn migrate(
    connection: &mut impl Migrate,
    migrator: &Migrator,
    database: &str,
) -> Result<i64, OpenError> {
    let failed = |error| OpenError::Migration { database: database.to_owned(), source: DatabaseError::new(error) };
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    connection.ensure_migrations_table(MIGRATIONS_TABLE).await.map_err(failed)?;
    let applied = connection.list_applied_migrations(MIGRATIONS_TABLE).await.map_err(failed)?;
    let found = applied.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > known {
        return Err(OpenError::NewerSchema { database: database.to_owned(), found, known });
    }
    migrator.run_direct(None, connection, false).await.map_err(failed)?;
    if found != 0 && found < known {
        info!(database, schema.before = found, schema.now = known, "schema migrated; older releases refuse it now");
    }
    Ok(known)
}

/// The state of the store when it is opened by a process that knows of revision `seen`. When that is greater than the store's,
/// the rollback is recorded.
pub(in crate::store) async fn state<B: Backend>(
    connection: &mut Connection<B>,
    database: &str,
    seen: Option<Revision>,
) -> Result<StoreState, OpenError> {
    let row = first::<B>(connection, statement(statements::STATE), database).await?;
    let unreadable = || unusable(database)(sqlx::Error::RowNotFound);
    let mut state = StoreState::of(&row.ok_or_else(unreadable)?).map_err(|_| unreadable())?;
    if let Some(rollback) = seen.and_then(|seen| guard::behind(state.revision, seen)) {
        state = guard::record::<B>(connection, rollback).await.map_err(|_| unreadable())?;
    }
    if let Some(rollback) = state.rollback {
        guard::report(rollback);
    }
    Ok(state)
}

/// The key that belongs to the database: made when the database is new, else tried on the database's probe.
pub(in crate::store) async fn unlock<B: Backend>(
    connection: &mut Connection<B>,
    database: &str,
    path: &Path,
) -> Result<SealingKey, OpenError> {
    let row = first::<B>(connection, statement(statements::PROBE), database).await?;
    let exists = path.try_exists().map_err(file_error("look at", path))?;
    if let Some(row) = row {
        if !exists {
            return Err(OpenError::KeyMissing { database: database.to_owned(), key: path.to_owned() });
        }
        let key = SealingKey::read(path).map_err(key_error(path))?;
        let opened = row.bytes("probe").is_ok_and(|probe| key.unseal(probe, Purpose::Probe).is_ok());
        return if opened {
            Ok(key)
        } else {
            Err(OpenError::WrongKey { database: database.to_owned(), key: path.to_owned() })
        };
    }
    let key = if exists { SealingKey::read(path) } else { SealingKey::create(path) }.map_err(key_error(path))?;
    let probe = key.seal(PROBE_TEXT, Purpose::Probe).map_err(|_| OpenError::KeyUnusable { key: path.to_owned() })?;
    first::<B>(connection, statement(statements::STORE_PROBE).bind(&*probe), database).await?;
    Ok(key)
}

async fn first<B: Backend>(
    connection: &mut Connection<B>,
    statement: Statement<'_>,
    database: &str,
) -> Result<Option<Row<B>>, OpenError> {
    let rows = fetch::<B>(connection, statement).await.map_err(unusable(database))?;
    Ok(rows.into_iter().next())
}

/// The database refuses to be used.
pub(in crate::store) fn unusable(database: &str) -> impl Fn(sqlx::Error) -> OpenError {
    move |error| OpenError::Unusable { database: database.to_owned(), source: DatabaseError::new(error) }
}

/// A file beside the database cannot be used.
pub(in crate::store) fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File(FileError { action, path, source })
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
