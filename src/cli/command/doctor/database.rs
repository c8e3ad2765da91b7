//! The database: whether it can be read, and is whole.

use std::path::Path;

use crate::{
    app::chain,
    cli::{data_dir::DataDir, findings::Finding},
    store::find_damage,
};

pub(super) async fn check(data_dir: &Path) -> Finding {
    const CHECK: &str = "database";
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
