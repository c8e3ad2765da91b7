//! `grantd completion`.

use clap::CommandFactory;
use clap_complete::{generate, shells};

use crate::cli::{
    args::{Cli, CompletionArgs, Shell},
    error::CliError,
    output::Console,
};

pub(crate) fn run(args: &CompletionArgs, console: &mut Console<'_>) -> Result<(), CliError> {
    let (mut command, mut script) = (Cli::command(), Vec::new());
    // Written to memory first, as clap panics when it cannot write.
    match args.shell {
        Shell::Bash => generate(shells::Bash, &mut command, "grantd", &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut command, "grantd", &mut script),
        Shell::Fish => generate(shells::Fish, &mut command, "grantd", &mut script),
    }
    Ok(console.print(&String::from_utf8_lossy(&script))?)
}
