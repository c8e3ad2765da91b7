//! `grantd version`.

use serde::Serialize;

use crate::cli::{args::VersionArgs, error::CliError, output::Console};

#[derive(Serialize)]
struct Version {
    version: &'static str,
}

pub(crate) fn run(args: &VersionArgs, console: &mut Console<'_>) -> Result<(), CliError> {
    let version = env!("CARGO_PKG_VERSION");
    match args.output {
        Some(format) => console.document(&Version { version }, format)?,
        None => console.line(format_args!("grantd {version}"))?,
    }
    Ok(())
}
