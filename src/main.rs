//! The `grantd` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    grantd::cli::keep_secrets_in();
    grantd::cli::run(std::env::args_os())
}
