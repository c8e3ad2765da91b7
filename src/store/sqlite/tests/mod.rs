//! Tests of what only a database on a disk has: faults, locks, files, encryption.

mod batch;
mod disk_full;
mod fairness;
mod faults;
mod files;
mod freshness;
mod group_commit;
mod objects;
mod opening;
mod parts;
mod quota;
mod readiness;
mod rollback;
mod sealing;

use sqlx::SqliteConnection;

use super::connection::Setup;
use crate::store::contract::Files;

/// A second connection to the database, with which a test changes rows past the store.
async fn raw(files: &Files) -> SqliteConnection {
    Setup::new(&files.database()).open().await.unwrap()
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(statement).execute(connection).await.map(drop)
}
