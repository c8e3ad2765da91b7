//! `grantd user`.

use clap::{Args, Subcommand};

use crate::cli::output::DocumentFormat;

const LIST_ABOUT: &str = "\
List the users of the admin API and their certificates

Shows every certificate that 'grantd kubeconfig' has made, until 30 days after it has expired, and those of earlier
versions as soon as their users have connected. The command reads the data directory; the server need not run.";

const LIST_EXAMPLES: &str = "\
Examples:
  grantd user list
  grantd user list -o json";

const REVOKE_ABOUT: &str = "\
Revoke users of the admin API

A name stands for every certificate of this user that was issued until now, listed or not. With --serial, single
certificates are revoked, as when a kubeconfig was renewed and its former copy is lost. A running server cuts open
connections within a second, watches included, and answers later ones with 401. A new 'grantd kubeconfig' for the same
name works. The server need not run: what is revoked stays revoked.";

const REVOKE_EXAMPLES: &str = "\
Examples:
  grantd user revoke alice
  grantd user revoke --serial 6BD1F1A2C3D4E5F60718293A4B5C6D7E";

/// The commands of `grantd user`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// List the users of the admin API and their certificates
    #[command(visible_alias = "ls", long_about = LIST_ABOUT, after_help = LIST_EXAMPLES)]
    List(UserListArgs),

    /// Revoke users of the admin API, at once
    #[command(long_about = REVOKE_ABOUT, after_help = REVOKE_EXAMPLES)]
    Revoke(UserRevokeArgs),
}

/// `grantd user list`.
#[derive(Debug, Args)]
pub(crate) struct UserListArgs {
    /// Print JSON or YAML [default: a table]
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DocumentFormat>,
}

/// `grantd user revoke`.
#[derive(Debug, Args)]
pub(crate) struct UserRevokeArgs {
    /// The names of the users
    #[arg(value_name = "NAME", required_unless_present = "serials")]
    pub(crate) names: Vec<String>,
    /// The serial number of a single certificate, as 'grantd user list' shows it (repeatable)
    #[arg(long = "serial", value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
}
