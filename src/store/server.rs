//! A database server: where it is, and why it cannot be used.

use std::{fmt, path::PathBuf};

use zeroize::Zeroizing;

/// Where a PostgreSQL database is, and how to connect to it.
#[derive(Debug, Clone)]
pub struct PostgresAddress {
    /// Where the server listens.
    pub server: PostgresServer,
    /// The user to connect as.
    pub user: String,
    /// The name of the database.
    pub database: String,
    /// The user's password, for servers that ask for one.
    pub password: Option<DatabasePassword>,
    /// How the connection is protected; passed over on a Unix socket.
    pub tls: PostgresTls,
}

/// Where a PostgreSQL server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostgresServer {
    /// At a TCP port.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// At a Unix socket.
    Socket {
        /// The directory with the socket.
        directory: PathBuf,
        /// The port, which is part of the socket's name.
        port: u16,
    },
}

/// How a connection to PostgreSQL is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresTls {
    /// What is demanded of the server.
    pub mode: PostgresTlsMode,
    /// A file of certificates in PEM that are trusted besides the public ones.
    pub roots: Option<PathBuf>,
    /// The files, in PEM, of the certificate and the key that are shown to the server.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What is demanded of a PostgreSQL server. The names are those of PostgreSQL's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresTlsMode {
    /// No TLS.
    Disable,
    /// TLS with any certificate: whoever is between can read and change everything.
    Require,
    /// TLS with a certificate of a trusted CA, for whatever host.
    VerifyCa,
    /// TLS with a certificate of a trusted CA for this host.
    VerifyFull,
}

/// The password of a user of a database. It is never printed.
#[derive(Clone)]
pub struct DatabasePassword(Zeroizing<String>);

impl DatabasePassword {
    /// Wraps a password.
    pub fn new(password: String) -> Self {
        Self(Zeroizing::new(password))
    }

    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabasePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabasePassword(redacted)")
    }
}

/// As an operator knows it, without the password.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, user, database, password: _, tls: _ } = self;
        match server {
            PostgresServer::Tcp { host, port } if host.contains(':') => {
                write!(f, "postgres://{user}@[{host}]:{port}/{database}")
            }
            PostgresServer::Tcp { host, port } => write!(f, "postgres://{user}@{host}:{port}/{database}"),
            PostgresServer::Socket { directory, port } => {
                write!(f, "postgres://{user}@/{database}?host={}&port={port}", directory.display())
            }
        }
    }
}

/// Why a database server cannot be used. Each is one sentence that names what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerProblem {
    /// Older than what the store was made for.
    #[error("it is PostgreSQL {found}, and grantd needs 14 or later: upgrade the server")]
    TooOld {
        /// Its version.
        found: String,
    },
    /// A standby: it can only be read.
    #[error("the server is in recovery, as a standby is: name the primary")]
    InRecovery,
    /// Its disk does not have what it says is committed.
    #[error(
        "fsync is off, so a crash would take back what was committed: set fsync = on in postgresql.conf and reload"
    )]
    NotDurable,
    /// A setting of the connection is not in force.
    #[error("{setting} is {found} although grantd set it: remove what changes it back, such as a proxy")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: String,
    },
    /// It cannot hold every name.
    #[error("its encoding is {found}: create the database anew with ENCODING 'UTF8'")]
    Encoding {
        /// Its encoding.
        found: String,
    },
    /// There is no schema to put the tables in.
    #[error("the search_path of user {user} names no schema that exists: CREATE SCHEMA {user} AUTHORIZATION {user}")]
    NoSchema {
        /// The user.
        user: String,
    },
    /// The user may not make the tables.
    #[error("user {user} may not create tables in schema {schema}: GRANT CREATE ON SCHEMA {schema} TO {user}")]
    MayNotCreate {
        /// The user.
        user: String,
        /// The schema.
        schema: String,
    },
    /// The user may not use the tables.
    #[error(
        "user {user} may not use table {table}: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}"
    )]
    MayNotUse {
        /// The user.
        user: String,
        /// One of the tables.
        table: String,
        /// Their schema.
        schema: String,
    },
    /// The password is wrong or missing.
    #[error("the server does not accept the password of user {user}, or there is none: give the right one")]
    Password {
        /// The user.
        user: String,
    },
    /// The user is not there, or may not come from here.
    #[error("the server does not let user {user} in from here: create the user, or allow it in pg_hba.conf")]
    User {
        /// The user.
        user: String,
    },
    /// There is no such database.
    #[error("there is no such database: createdb {database}")]
    NoDatabase {
        /// Its name.
        database: String,
    },
    /// All connections of the server are taken.
    #[error("the server has no connection left: raise max_connections or use fewer replicas")]
    NoConnections,
    /// It has just been started, or recovers from a crash.
    #[error("the server is starting: try again when it accepts connections")]
    Starting,
    /// Nothing answers there.
    #[error("nothing answers there: start the server, or correct the host and port")]
    Unreachable,
    /// No TLS, or a certificate that is not trusted.
    #[error("no trusted TLS connection: turn on ssl in postgresql.conf, or give the CA of the server's certificate")]
    Tls,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(server: PostgresServer) -> PostgresAddress {
        PostgresAddress {
            server,
            user: "grantd".to_owned(),
            database: "grants".to_owned(),
            password: Some(DatabasePassword::new("swordfish".to_owned())),
            tls: PostgresTls { mode: PostgresTlsMode::VerifyFull, roots: None, client: None },
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let tcp = |host: &str| address(PostgresServer::Tcp { host: host.to_owned(), port: 5432 });
        let socket = address(PostgresServer::Socket { directory: "/run/postgresql".into(), port: 5433 });

        assert_eq!(tcp("db.example").to_string(), "postgres://grantd@db.example:5432/grants");
        assert_eq!(tcp("::1").to_string(), "postgres://grantd@[::1]:5432/grants");
        assert_eq!(socket.to_string(), "postgres://grantd@/grants?host=/run/postgresql&port=5433");
        assert!(!format!("{socket:?}").contains("swordfish"));
    }
}
