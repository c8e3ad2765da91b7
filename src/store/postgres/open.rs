//! Opening a database: its tables, the key, the revision, all in one transaction.

use std::path::Path;

use sqlx::{
    Connection as _, PgConnection, Postgres, Row as _, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

use super::fault;
use crate::store::{
    DatabaseError, OpenError, PostgresAddress, ServerProblem,
    sql::{
        backend::{Backend, fetch},
        guard::StoreState,
        open::{migrate, state, unlock},
        seal::SealingKey,
        statement::statement,
        statements,
    },
};

/// One process at a time looks for the tables and makes them. The number is grantd's own; the lock ends with the transaction,
/// so it holds through a proxy that pools transactions, too.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7310309862)";
/// Migrating may take longer than a statement of a request, and so does waiting for another process that does it.
const LONGER_TIMEOUTS: &str = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '600s'";
/// What there is before anything is made: the version of the schema, and what the user may do.
const FIND_TABLES: &str = "SELECT current_schema() AS schema, \
     to_regclass('_sqlx_migrations') IS NOT NULL AS has_tables, \
     COALESCE(has_table_privilege(to_regclass('_sqlx_migrations'), 'SELECT'), TRUE) AS may_read, \
     COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE) AS may_create";
const SCHEMA_VERSION: &str = "SELECT MAX(version) AS version FROM _sqlx_migrations";
/// A table that the user may not use. The table of migrations is only read then.
const FORBIDDEN_TABLE: &str = "SELECT c.relname AS forbidden FROM pg_class AS c \
     WHERE c.relkind = 'r' AND c.relnamespace = CAST(current_schema() AS REGNAMESPACE) AND c.relname = ANY($1) \
     AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') \
     AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')) ORDER BY c.relname LIMIT 1";
/// The tables that the store writes to.
const TABLES: &[&str] = &[
    "access_grant",
    "issued_certificate",
    "namespace_usage",
    "object",
    "readiness",
    "redemption",
    "replay",
    "sealing_key",
    "store_state",
];

/// What a store needs to know of the database that it opens.
pub(super) struct Prepared {
    pub(super) key: SealingKey,
    pub(super) schema: i64,
    pub(super) state: StoreState,
}

/// Looks at everything, makes what is missing, and commits it together: when anything is wrong, the database is left as it was.
pub(super) async fn prepare<B: Backend<Database = Postgres>>(
    connection: &mut PgConnection,
    address: &PostgresAddress,
    key: &Path,
) -> Result<Prepared, OpenError> {
    let refused = |error| refused(address, error);
    let name = address.to_string();
    let mut transaction = connection.begin().await.map_err(refused)?;
    let schema = make_tables_alone(&mut transaction, address, &name).await?;
    let key = unlock::<B>(&mut transaction, &name, key).await?;
    let state = state::<B>(&mut transaction, &name, None).await?;
    transaction.commit().await.map_err(refused)?;
    Ok(Prepared { key, schema, state })
}

/// Does what [`prepare`] does and takes it back, so that everything that could be wrong is found and nothing is left behind.
pub(super) async fn examine<B: Backend<Database = Postgres>>(
    connection: &mut PgConnection,
    address: &PostgresAddress,
    key: &Path,
) -> Result<(), OpenError> {
    let refused = |error| refused(address, error);
    let name = address.to_string();
    let mut transaction = connection.begin().await.map_err(refused)?;
    make_tables_alone(&mut transaction, address, &name).await?;
    let probe = statement(statements::PROBE);
    let is_new = fetch::<B>(&mut transaction, probe).await.map_err(refused)?.is_empty();
    // A new store gets a key, which would be left behind.
    if !is_new {
        unlock::<B>(&mut transaction, &name, key).await?;
    }
    transaction.rollback().await.map_err(refused)
}

/// Brings the tables to the version this program needs, while no other process does, and answers that version.
async fn make_tables_alone(
    transaction: &mut PgConnection,
    address: &PostgresAddress,
    name: &str,
) -> Result<i64, OpenError> {
    let refused = |error| refused(address, error);
    sqlx::raw_sql(LONGER_TIMEOUTS).execute(&mut *transaction).await.map_err(refused)?;
    sqlx::raw_sql(LOCK).execute(&mut *transaction).await.map_err(refused)?;
    make_tables(transaction, address, name).await
}

/// Brings the tables to the version this program needs, and answers that version.
async fn make_tables(connection: &mut PgConnection, address: &PostgresAddress, name: &str) -> Result<i64, OpenError> {
    let failed = |error| refused(address, error);
    let refuse = |problem| Err(OpenError::Server { database: name.to_owned(), problem });
    let user = address.user.clone();
    let found = sqlx::query(FIND_TABLES).fetch_one(&mut *connection).await.map_err(failed)?;
    let Some(schema) = found.try_get::<Option<String>, _>("schema").map_err(failed)? else {
        return refuse(ServerProblem::NoSchema { user });
    };
    if !found.try_get::<bool, _>("may_read").map_err(failed)? {
        return refuse(ServerProblem::MayNotUse { user, table: "_sqlx_migrations".to_owned(), schema });
    }
    let migrator = migrator();
    let known = migrator.iter().map(|migration| migration.version).max();
    let version = match found.try_get("has_tables").map_err(failed)? {
        false => None,
        true => sqlx::query_scalar(SCHEMA_VERSION).fetch_one(&mut *connection).await.map_err(failed)?,
    };
    if version < known && !found.try_get::<bool, _>("may_create").map_err(failed)? {
        return refuse(ServerProblem::MayNotCreate { user, schema });
    }
    let version = match version {
        // A user that may not make tables can use those that are there.
        Some(version) if Some(version) == known => version,
        Some(_) | None => migrate(&mut *connection, &migrator, name).await?,
    };
    let forbidden = sqlx::query_scalar(FORBIDDEN_TABLE).bind(TABLES).fetch_optional(connection).await;
    match forbidden.map_err(failed)? {
        Some(table) => refuse(ServerProblem::MayNotUse { user, table, schema }),
        None => Ok(version),
    }
}

/// The steps from an empty database to the schema of this program, in order. Steps are added, never changed.
pub(super) fn migrator() -> Migrator {
    let steps = [
        (1, "store", include_str!("../../../migrations/postgres/0001_store.sql")),
        (2, "usage", include_str!("../../../migrations/postgres/0002_usage.sql")),
        (3, "redeem", include_str!("../../../migrations/postgres/0003_redeem.sql")),
    ];
    let migrations = steps.into_iter().map(|(version, description, statements)| {
        Migration::new(version, description.into(), MigrationType::Simple, statements.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // There is a lock already, and sqlx's own would outlive the transaction.
    migrator.set_locking(false);
    migrator
}

/// Why the database cannot be used, as a sentence when it is a known problem.
pub(super) fn refused(address: &PostgresAddress, error: sqlx::Error) -> OpenError {
    let (database, user) = (address.to_string(), address.user.clone());
    let problem = match (&error, fault::code(&error).as_deref()) {
        (sqlx::Error::Configuration(source), _) => source.downcast_ref::<ServerProblem>().cloned(),
        (sqlx::Error::Tls(_), _) => Some(ServerProblem::Tls),
        (sqlx::Error::Io(source), _) if source.kind() == std::io::ErrorKind::InvalidData => Some(ServerProblem::Tls),
        (sqlx::Error::Io(_), _) => Some(ServerProblem::Unreachable),
        (_, Some("28P01")) => Some(ServerProblem::Password { user }),
        (_, Some("28000")) => Some(ServerProblem::User { user }),
        (_, Some("3D000")) => Some(ServerProblem::NoDatabase { database: address.database.clone() }),
        (_, Some("53300")) => Some(ServerProblem::NoConnections),
        (_, Some("57P03")) => Some(ServerProblem::Starting),
        (_, _) => None,
    };
    match problem {
        Some(problem) => OpenError::Server { database, problem },
        None => OpenError::Unusable { database, source: DatabaseError::new(error) },
    }
}
