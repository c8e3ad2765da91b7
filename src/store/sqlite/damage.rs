//! Looking for damage in a database, also while a server uses it. Nothing is written to it.

use std::{path::Path, time::Duration};

use sqlx::{ConnectOptions as _, Connection as _, Row as _, sqlite::SqliteConnectOptions};

use crate::store::{DatabaseError, StoreError, StoreFailure};

/// How long to wait for a lock of the server.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The most damages that are reported.
const CHECK: &str = "PRAGMA quick_check(5)";
/// What SQLite answers about a database without damage.
const WHOLE: &str = "ok";

/// The damages that SQLite finds in this file; none when it is whole. The content of indexes is not compared with the tables,
/// which would take much longer.
///
/// # Errors
/// [`StoreError::Unavailable`] when the file cannot be opened or read, or is no database.
pub async fn find_damage(database: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |error| StoreError::Unavailable {
        action: "check the database",
        source: StoreFailure::Database(DatabaseError::new(error)),
    };
    let options = SqliteConnectOptions::new().filename(database).read_only(true).busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.connect().await.map_err(failed)?;
    let rows = sqlx::raw_sql(CHECK).fetch_all(&mut connection).await.map_err(failed)?;
    let texts = rows.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(texts.into_iter().filter(|text| text != WHOLE).collect())
}
