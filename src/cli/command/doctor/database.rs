//! The database: whether it can be read, and is whole.

use std::path::Path;

use crate::{
    app::chain,
    cli::{
        config::{DatabaseConfig, PostgresConfig, ServeConfig},
        data_dir::DataDir,
        database::with_password,
        findings::Finding,
    },
    store::{examine_postgres, find_damage},
};

const CHECK: &str = "database";

pub(super) async fn check(config: &ServeConfig) -> Finding {
    match &config.database {
        DatabaseConfig::Sqlite => check_sqlite(&config.data_dir).await,
        DatabaseConfig::Postgres(database) => check_postgres(database, &config.data_dir).await,
    }
}

async fn check_postgres(config: &PostgresConfig, data_dir: &Path) -> Finding {
    let remedy = "correct that, and see 'grantd serve --help' about --database";
    let found = with_password(&config.address, config.password_file.as_deref(), |name| std::env::var_os(name));
    let address = match found {
        Ok(address) => address,
        Err(fault) => return Finding::fail(CHECK, chain(&fault), remedy),
    };
    match examine_postgres(&address, &DataDir::at(data_dir).sealing_key()).await {
        Ok(()) => Finding::ok(CHECK, format!("{address} can be used")),
        Err(fault) => Finding::fail(CHECK, chain(&fault), remedy),
    }
}

async fn check_sqlite(data_dir: &Path) -> Finding {
    let database = DataDir::at(data_dir).database();
    if !database.exists() {
        return Finding::ok(CHECK, "not there yet; the server makes it");
    }
    match find_damage(&database).await {
        Ok(faults) if faults.is_empty() => Finding::ok(CHECK, "SQLite finds no damage"),
        Ok(faults) => Finding::fail(
            CHECK,
            format!("damaged: {}", faults.join("; ")),
            "stop the server, keep a copy of the data directory, and restore a backup",
        ),
        Err(fault) => Finding::fail(
            CHECK,
            chain(&fault),
            "run this as the user that grantd runs as; if that does not help, restore a backup",
        ),
    }
}
