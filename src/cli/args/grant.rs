//! `grantd grant`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::shared::{ListFormat, NamespaceArg};
use crate::{cli::output::DocumentFormat, grant::ExpirationWindow};

const CREATE_ABOUT: &str = "\
Make a grant

Afterwards 'grantd grant show NAME -o yaml' prints its url, code and ca. 'grantd token issue' makes a grant and its
token file in one step.";

const CREATE_EXAMPLES: &str = "\
Examples:
  grantd grant create offer
  grantd grant create offer --redemptions-allowed 10 --expiration-window 24h -n west
  grantd grant create offer --code-file code.txt";

const LIST_EXAMPLES: &str = "\
Examples:
  grantd grant list
  grantd grant list -A
  grantd grant list -n west -o name";

const SHOW_ABOUT: &str = "\
Show a grant and the record of its redemptions

The code is a secret and is not shown without --show-code. The documents of -o json and -o yaml are the server's own
objects, with the code.";

const SHOW_EXAMPLES: &str = "\
Examples:
  grantd grant show offer
  grantd grant show offer --show-code
  grantd grant show offer -o json | jq -r .status.url";

const DELETE_ABOUT: &str = "\
Delete grants

Their tokens can no longer be redeemed. Links made with them continue to work, and the record of their redemptions is
kept.";

const DELETE_EXAMPLES: &str = "\
Examples:
  grantd grant delete offer
  grantd grant list -n west -o name | xargs grantd grant delete -n west";

/// The commands of `grantd grant`.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Make a grant
    #[command(long_about = CREATE_ABOUT, after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),

    /// List grants
    #[command(visible_alias = "ls", after_help = LIST_EXAMPLES)]
    List(ListArgs),

    /// Show a grant and the record of its redemptions
    #[command(long_about = SHOW_ABOUT, after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),

    /// Delete grants
    #[command(long_about = DELETE_ABOUT, after_help = DELETE_EXAMPLES)]
    Delete(DeleteArgs),
}

/// `grantd grant create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The grant's name
    pub(crate) name: String,

    /// How many times the grant can be redeemed
    #[arg(long, value_name = "COUNT", default_value = "1", help_heading = "Grant", allow_hyphen_values = true)]
    pub(crate) redemptions_allowed: String,
    /// How long the grant can be redeemed, as in 90s, 15m or 2h30m
    #[arg(long, value_name = "DURATION", default_value_t = ExpirationWindow::default().to_string(), help_heading = "Grant", allow_hyphen_values = true)]
    pub(crate) expiration_window: String,
    /// A file with the code to use; '-' reads standard input [default: a random code]
    #[arg(long, value_name = "FILE", help_heading = "Grant")]
    pub(crate) code_file: Option<PathBuf>,
    /// The issuer (CA) of the site that signs the certificates [default: the site's default issuer]
    #[arg(long, value_name = "ISSUER", help_heading = "Grant")]
    pub(crate) issuer: Option<String>,
    /// The namespace of the grant.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,
}

/// `grantd grant list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The namespace of the grants to list.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,
    /// List the grants of all namespaces, whatever -n says
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Print JSON, YAML or names [default: a table]
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<ListFormat>,
}

/// `grantd grant show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The grant's name
    pub(crate) name: String,
    /// The namespace of the grant.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,
    /// Show the code too, which is a secret
    #[arg(long)]
    pub(crate) show_code: bool,
    /// Print the server's object as JSON or YAML [default: text]
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DocumentFormat>,
}

/// `grantd grant delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The names of the grants
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    /// The namespace of the grants to delete.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,
}
