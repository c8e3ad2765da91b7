//! Connections to a PostgreSQL database.

use std::{io, time::Duration};

use sqlx::{
    ConnectOptions as _, PgConnection,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode},
};
use tokio::time::timeout;

use super::settings;
use crate::store::{PostgresAddress, PostgresServer, PostgresTlsMode};

/// How long connecting may take, with the checks.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an answer is waited for. The server gives up before that; after it, it does not answer at all.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a read waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
const READERS: u32 = 4;

/// Ends the connections of writers of this store that are not this one, and waits until their processes are gone.
const END_EARLIER_WRITERS: &str = "SELECT COALESCE(BOOL_AND(pg_terminate_backend(pid, 1500)), TRUE) \
     FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()";

/// How to open connections to one database. Without `Debug`: that of sqlx's options shows the password.
#[derive(Clone)]
pub(super) struct Setup {
    address: PostgresAddress,
    options: PgConnectOptions,
    /// The name under which the server knows the writers of this store, and no other one's.
    writer_name: String,
}

impl Setup {
    /// For this database.
    pub(super) fn new(address: PostgresAddress) -> Self {
        let options = options(&address);
        let writer_name = format!("grantd writer {}", uuid::Uuid::new_v4());
        Self { address, options, writer_name }
    }

    /// Where the database is.
    pub(super) fn address(&self) -> &PostgresAddress {
        &self.address
    }

    /// The connection that writes. When this returns, no earlier one does anything any more: what it was sent last is
    /// committed, or never will be.
    pub(super) async fn open_writer(&self) -> Result<PgConnection, sqlx::Error> {
        let open = async {
            let mut connection = self.options.clone().application_name(&self.writer_name).connect().await?;
            settings::set_and_verify(&mut connection).await?;
            let end_earlier = sqlx::query_scalar(END_EARLIER_WRITERS).bind(&self.writer_name);
            match end_earlier.fetch_one(&mut connection).await? {
                true => Ok(connection),
                false => Err(timed_out()),
            }
        };
        timeout(CONNECT_TIMEOUT, open).await.map_err(|_| timed_out())?
    }

    /// Connections that only read.
    pub(super) async fn open_readers(&self) -> Result<PgPool, sqlx::Error> {
        PgPoolOptions::new()
            .max_connections(READERS)
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            // Asking whether a connection is there would be another round trip for each read. One that is not makes one
            // read fail, and is replaced.
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(settings::set_and_verify(connection)))
            .connect_with(self.options.clone().application_name("grantd reader"))
            .await
    }
}

/// sqlx's options. What the address does not say comes from PostgreSQL's variables, such as PGPASSWORD and PGSSLROOTCERT.
pub(super) fn options(address: &PostgresAddress) -> PgConnectOptions {
    let PostgresAddress { server, user, database, password, tls } = address;
    let mut options = PgConnectOptions::new_without_pgpass().username(user).database(database);
    options = match server {
        PostgresServer::Tcp { host, port } => options.host(host).port(*port),
        PostgresServer::Socket { directory, port } => options.socket(directory).port(*port),
    };
    if let Some(password) = password {
        options = options.password(password.expose());
    }
    options = options.ssl_mode(match (server, tls.mode) {
        (PostgresServer::Socket { .. }, _) | (_, PostgresTlsMode::Disable) => PgSslMode::Disable,
        (_, PostgresTlsMode::Require) => PgSslMode::Require,
        (_, PostgresTlsMode::VerifyCa) => PgSslMode::VerifyCa,
        (_, PostgresTlsMode::VerifyFull) => PgSslMode::VerifyFull,
    });
    if let Some(roots) = &tls.roots {
        options = options.ssl_root_cert(roots);
    }
    if let Some((certificate, key)) = &tls.client {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    options.statement_cache_capacity(64).disable_statement_logging()
}

/// The server did not answer in time.
pub(super) fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(io::ErrorKind::TimedOut.into())
}
