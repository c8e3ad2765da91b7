//! Tests that PostgreSQL accepts every statement of `statements.rs` unchanged, and has the tables for them that SQLite has.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::statements;
use crate::store::contract::postgres::{Database, shared};

/// Statements with parameters, or that read: those that begin and end transactions cannot be prepared anywhere.
const STATEMENTS: &[(&str, &str)] = &[
    ("REVISION", statements::REVISION),
    ("STATE", statements::STATE),
    ("RECORD_ROLLBACK", statements::RECORD_ROLLBACK),
    ("ACKNOWLEDGE_ROLLBACK", statements::ACKNOWLEDGE_ROLLBACK),
    ("COUNT_OPEN", statements::COUNT_OPEN),
    ("ADVANCE_REVISION", statements::ADVANCE_REVISION),
    ("HEARTBEAT", statements::HEARTBEAT),
    ("FILL_READINESS", statements::FILL_READINESS),
    ("TOUCH_GRANT", statements::TOUCH_GRANT),
    ("LAST_REDEMPTION", statements::LAST_REDEMPTION),
    ("COUNT_GRANTS", statements::COUNT_GRANTS),
    ("COUNT_LEDGER", statements::COUNT_LEDGER),
    ("EXPIRE_OPEN", statements::EXPIRE_OPEN),
    ("SCHEMA_VERSION", statements::SCHEMA_VERSION),
    ("PROBE", statements::PROBE),
    ("STORE_PROBE", statements::STORE_PROBE),
    ("GET", statements::GET),
    ("FIND", statements::FIND),
    ("LIST", statements::LIST),
    ("LIST_NAMESPACE", statements::LIST_NAMESPACE),
    ("COUNT_LISTED", statements::COUNT_LISTED),
    ("COUNT_LISTED_NAMESPACE", statements::COUNT_LISTED_NAMESPACE),
    ("COUNT", statements::COUNT),
    ("REDEMPTIONS", statements::REDEMPTIONS),
    ("REPLAYS", statements::REPLAYS),
    ("ISSUED", statements::ISSUED),
    ("RECORD_REPLAY", statements::RECORD_REPLAY),
    ("REPEATABLE", statements::REPEATABLE),
    ("REPEATED", statements::REPEATED),
    ("LEDGER", statements::LEDGER),
    ("CREATE", statements::CREATE),
    ("UPDATE", statements::UPDATE),
    ("EXISTS", statements::EXISTS),
    ("DELETE", statements::DELETE),
    ("NAME_EXISTS", statements::NAME_EXISTS),
    ("SWEEP_EXPIRED", statements::SWEEP_EXPIRED),
    ("SWEEP_USED_UP", statements::SWEEP_USED_UP),
    ("METADATA_AT", statements::METADATA_AT),
    ("OBJECT", statements::OBJECT),
    ("OBJECTS", statements::OBJECTS),
    ("OBJECTS_NAMESPACE", statements::OBJECTS_NAMESPACE),
    ("COUNT_OBJECTS", statements::COUNT_OBJECTS),
    ("COUNT_OBJECTS_NAMESPACE", statements::COUNT_OBJECTS_NAMESPACE),
    ("CREATE_OBJECT", statements::CREATE_OBJECT),
    ("OBJECT_STATE", statements::OBJECT_STATE),
    ("UPDATE_OBJECT", statements::UPDATE_OBJECT),
    ("DELETE_OBJECT", statements::DELETE_OBJECT),
    ("NAMESPACE_USAGE", statements::NAMESPACE_USAGE),
];
/// Statements that control a transaction are the same in both.
const CONTROL: &[&str] = &[
    statements::SAVEPOINT,
    statements::SAVEPOINT_WRITES,
    statements::ROLLBACK_TO_SAVEPOINT_WRITES,
    statements::RELEASE_SAVEPOINT_WRITES,
    statements::ROLLBACK_TO_SAVEPOINT,
    statements::RELEASE_SAVEPOINT,
    statements::ROLLBACK,
];
/// `COMMIT`, the one statement that is in neither list.
const UNTESTED: usize = 1;

/// The steps of the migrations in this folder, in order.
fn steps(folder: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// A database of PostgreSQL with the tables of the store, and that of sqlx's migrator, which is the same in both databases.
fn postgresql() -> Database<'static> {
    let database = shared().create_database();
    database.sql(&steps("migrations/postgres"));
    database.sql("CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY)");
    database
}

#[test]
fn postgresql_accepts_every_statement_unchanged() {
    let declared = include_str!("statements.rs").matches("pub(in crate::store) const").count();
    assert_eq!(declared, STATEMENTS.len() + CONTROL.len() + UNTESTED, "a statement is missing from this test's list");
    let database = postgresql();

    for (name, statement) in STATEMENTS {
        database.sql(&format!("PREPARE statement_{name} AS {statement};"));
    }
    let control: String = CONTROL.iter().map(|statement| format!("{statement};\n")).collect();
    database.sql(&format!("BEGIN;\n{control}"));
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let of_postgresql = postgresql().sql(
        "SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END \
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' \
         ORDER BY 1",
    );

    let mut sqlite = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(steps("migrations/sqlite"))).execute(&mut sqlite).await.unwrap();
    let of_sqlite: Vec<String> = sqlx::query_scalar(
        "SELECT t.name || '.' || c.name || CASE c.\"notnull\" WHEN 1 THEN ' NOT NULL' ELSE '' END AS line \
         FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table' ORDER BY line",
    )
    .fetch_all(&mut sqlite)
    .await
    .unwrap();

    assert_eq!(of_postgresql.lines().collect::<Vec<_>>(), of_sqlite);
}
