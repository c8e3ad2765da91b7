//! Public functions for fuzzers, which cannot call private ones. Built only with `--cfg fuzzing`.

use clap::CommandFactory;

use super::{
    args::Cli,
    command::apply::read_documents,
    config::{self, Surroundings},
    database::{database_address, is_protected},
};
use crate::grant::Namespace;

/// Reads a file of AccessGrants as `grantd apply` does.
pub fn documents(text: &str) {
    let _ = read_documents(text, "fuzzed.yaml", &Namespace::default());
}

/// Reads a configuration file as `grantd serve` does.
pub fn configuration(text: &str) {
    let path = std::env::temp_dir().join(format!("grantd-fuzz-{}.yaml", std::process::id()));
    // Not with `crate::file`, which syncs: a sync for each input would leave the fuzzer waiting for the disk.
    if std::fs::write(&path, text).is_err() {
        return;
    }
    let arguments = ["grantd".as_ref(), "serve".as_ref(), "--config".as_ref(), path.as_os_str()];
    if let Ok(matches) = Cli::command().try_get_matches_from(arguments)
        && let Some(("serve", flags)) = matches.subcommand()
    {
        let surroundings = Surroundings { environment: &|_| None, host_name: "fuzz".to_owned() };
        if let Ok(config) = config::resolve(flags, &surroundings) {
            assert!(!config.sites.is_empty(), "a configuration without a site");
        }
    }
}

/// Reads the URL of a database as `grantd serve` does. What is read shows no password; what is refused is not quoted.
pub fn database_url(text: &str) {
    const CANARY: &str = "canaryinthecoalmine";
    let said = match database_address(text) {
        Ok(address) => format!("{} {address} {address:?}", is_protected(&address)),
        Err(error) => error.to_string(),
    };
    let with_password = format!("postgres://u:{CANARY}{text}");
    let shown = match database_address(&with_password) {
        Ok(address) if address.password.is_some() => format!("{address} {address:?}"),
        Ok(_) => String::new(),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!said.is_empty() && (text.contains("canary") || !shown.contains(CANARY)), "{shown}");
}
