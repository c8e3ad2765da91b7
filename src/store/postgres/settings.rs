//! What a connection needs for its commits to last, set and read back on each one.

use std::time::Duration;

use sqlx::{PgConnection, Row as _};

use crate::store::ServerProblem;

/// How long a statement may take. Shorter than the deadline of a request, so that a caller hears of a slow database.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a statement waits for a lock: each writer holds that of the store for one batch.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a transaction may stand still: its replica is gone, and the others wait for its lock.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(2);
/// Of the setting `server_version_num`: PostgreSQL 14.
const MINIMUM_VERSION: i64 = 140_000;

/// Sets, and answers what is in force then. `remote_apply` is more than `on`, so it is left as it is. One statement, because
/// each is a round trip.
const SET_AND_READ: &str = "SELECT \
     set_config('synchronous_commit', \
         CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false), \
     set_config('default_transaction_isolation', 'read committed', false), \
     set_config('default_transaction_read_only', 'off', false), \
     set_config('statement_timeout', $1, false), \
     set_config('lock_timeout', $2, false), \
     set_config('idle_in_transaction_session_timeout', $3, false)";
const READ: &str = "SELECT current_setting('server_version') AS version, \
     CAST(current_setting('server_version_num') AS BIGINT) AS version_number, \
     pg_is_in_recovery() AS is_in_recovery, \
     current_setting('fsync') AS fsync, \
     current_setting('server_encoding') AS encoding, \
     current_setting('synchronous_commit') AS synchronous_commit, \
     current_setting('default_transaction_isolation') AS default_transaction_isolation, \
     CAST(EXTRACT(EPOCH FROM CAST(current_setting('statement_timeout') AS INTERVAL)) * 1000 AS BIGINT) AS statement_timeout, \
     CAST(EXTRACT(EPOCH FROM CAST(current_setting('lock_timeout') AS INTERVAL)) * 1000 AS BIGINT) AS lock_timeout, \
     CAST(EXTRACT(EPOCH FROM CAST(current_setting('idle_in_transaction_session_timeout') AS INTERVAL)) * 1000 AS BIGINT) \
         AS idle_in_transaction_session_timeout";

/// Sets what a connection needs, and checks that it is in force and that the server is one that can be used.
///
/// # Errors
/// [`ServerProblem`], as [`sqlx::Error::Configuration`].
pub(super) async fn set_and_verify(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(SET_AND_READ)
        .bind(milliseconds(STATEMENT_TIMEOUT).to_string())
        .bind(milliseconds(LOCK_TIMEOUT).to_string())
        .bind(milliseconds(IDLE_IN_TRANSACTION_TIMEOUT).to_string())
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query(READ).fetch_one(&mut *connection).await?;
    let text = |column: &str| row.try_get::<String, _>(column);
    let refuse = |problem: ServerProblem| Err(sqlx::Error::Configuration(problem.into()));
    if row.try_get::<i64, _>("version_number")? < MINIMUM_VERSION {
        return refuse(ServerProblem::TooOld { found: text("version")? });
    }
    if row.try_get::<bool, _>("is_in_recovery")? {
        return refuse(ServerProblem::InRecovery);
    }
    if text("fsync")? != "on" {
        return refuse(ServerProblem::NotDurable);
    }
    if text("encoding")? != "UTF8" {
        return refuse(ServerProblem::Encoding { found: text("encoding")? });
    }
    for (setting, allowed) in [
        ("synchronous_commit", &["on", "remote_apply"][..]),
        ("default_transaction_isolation", &["read committed"][..]),
    ] {
        let found = text(setting)?;
        if !allowed.contains(&&*found) {
            return refuse(ServerProblem::Setting { setting, found });
        }
    }
    for (setting, wanted) in [
        ("statement_timeout", STATEMENT_TIMEOUT),
        ("lock_timeout", LOCK_TIMEOUT),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
    ] {
        let found = row.try_get::<i64, _>(setting)?;
        if found != milliseconds(wanted) {
            return refuse(ServerProblem::Setting { setting, found: format!("{found} ms") });
        }
    }
    Ok(())
}

/// Cannot overflow: the time-outs are a few seconds.
fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
