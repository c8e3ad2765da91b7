//! The settings of the store's database.

use std::path::{Path, PathBuf};

use super::{
    fault::{Faults, Origin},
    source::Sources,
    values::{path, yes_or_no},
};
use crate::{
    cli::database::{database_address, is_protected},
    file,
    store::PostgresAddress,
};

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DatabaseConfig {
    /// In a SQLite database in the data directory.
    Sqlite,
    /// In a PostgreSQL database.
    Postgres(Box<PostgresConfig>),
}

/// A PostgreSQL database, and the file with the password of its user.
#[derive(Debug, Clone)]
pub(crate) struct PostgresConfig {
    /// Where it is.
    pub(crate) address: PostgresAddress,
    /// The file with the password; `None` when the address has one, or the environment.
    pub(crate) password_file: Option<PathBuf>,
}

impl PartialEq for PostgresConfig {
    fn eq(&self, other: &Self) -> bool {
        let parts = |config: &Self| {
            let PostgresAddress { server, user, database, password: _, tls } = config.address.clone();
            (server, user, database, tls, config.password_file.clone())
        };
        // Both come from the operator, so how long the comparison takes tells nobody anything.
        let password = |config: &Self| config.address.password.as_ref().map(|password| password.expose().to_owned());
        parts(self) == parts(other) && password(self) == password(other)
    }
}

impl Eq for PostgresConfig {}

/// Reads the settings; the configuration file is `config_file`. No fault quotes the URL, as it may hold a password.
pub(super) fn database(s: &mut Sources<'_>, config_file: Option<&Path>, faults: &mut Faults) -> DatabaseConfig {
    let password_file = s.find("database_password_file", "databasePasswordFile", faults);
    let insecure = s.find("database_insecure", "databaseInsecure", faults);
    let Some(setting) = s.find("database", "database", faults) else {
        for unused in [password_file, insecure].into_iter().flatten() {
            faults.add(unused.origin, "is of use only with --database (database in the file)");
        }
        return DatabaseConfig::Sqlite;
    };
    let address = match database_address(&setting.text) {
        Ok(address) => address,
        Err(error) => {
            faults.add(setting.origin, error.to_string());
            return DatabaseConfig::Sqlite;
        }
    };
    if address.password.is_some() {
        if let Some(fault) = exposed(&setting.origin, config_file) {
            faults.add(setting.origin.clone(), fault);
        }
        if let Some(file) = &password_file {
            faults.add(file.origin.clone(), "must not be given when the URL of the database has a password already");
        }
    }
    let is_insecure = insecure.and_then(|setting| faults.parse(&setting, yes_or_no)).unwrap_or_default();
    if !is_insecure && !is_protected(&address) {
        faults.add(setting.origin, UNPROTECTED);
    }
    let password_file = password_file.and_then(|setting| faults.parse(&setting, path));
    DatabaseConfig::Postgres(Box::new(PostgresConfig { address, password_file }))
}

const UNPROTECTED: &str = "has an sslmode with which whoever is on the way to the server can read the store and answer in its \
     place: use sslmode=verify-full, with sslrootcert=FILE when the server's CA is not a public one; or, where the network \
     itself is protected, give --database-insecure";

/// Why a password must not be in the URL at this place.
fn exposed(origin: &Origin, config_file: Option<&Path>) -> Option<&'static str> {
    match origin {
        Origin::Flag(_) => Some(
            "must not have a password on the command line, where every user of this host can read it: give it in PGPASSWORD, \
             in a file (--database-password-file or PGPASSFILE), or with the URL in GRANTD_DATABASE or the configuration file",
        ),
        Origin::Field { .. } if config_file.is_some_and(|file| file::check_key_mode(file).is_err()) => Some(
            "must not have a password in a file that every user can read: change the mode of the file to 0600, or give the \
             password in another one (databasePasswordFile)",
        ),
        Origin::Field { .. } | Origin::Variable(_) | Origin::Default(_) | Origin::File => None,
    }
}
