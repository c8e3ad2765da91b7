//! Opening a store: the one place that knows which kinds of databases there are.

use std::sync::Arc;

use super::{
    Location, OpenError, Store, StoreOptions,
    postgres::{PostgresOptions, PostgresStore},
    sqlite::{SqliteOptions, SqliteStore},
};

/// Opens the store, migrates its database if that is older than this program, and starts its writer on the current runtime.
///
/// # Errors
/// [`OpenError`]; the database is unchanged then, or migrated and whole.
pub async fn open(options: StoreOptions) -> Result<Arc<dyn Store>, OpenError> {
    let StoreOptions { location, key, quota, on_commit } = options;
    match location {
        Location::Sqlite { database, lock } => {
            let store = SqliteStore::open(SqliteOptions { database, lock, key, quota, on_commit }).await?;
            Ok(Arc::new(store))
        }
        Location::Postgres(address) => {
            let store = PostgresStore::open(PostgresOptions { address, key, quota, on_commit }).await?;
            Ok(Arc::new(store))
        }
    }
}
