//! `grantd link`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::shared::NamespaceArg;
use crate::cli::output::DocumentFormat;

const STATUS_ABOUT: &str = "\
Show whether links would come up

A link is tested with the TLS handshake that a router would make: with the link's certificate, at the other site's
router. Then the connection is closed; no link is made. Ready means that a router could connect, not that one is
connected.

Without --from, shows the links on the server of this data directory, with the results of the server's last tests. With
--from, needs no server, and tests now and from this host: each Link-NAME.yaml in the directory, with its
Secret-NAME.yaml, as 'grantd token redeem' writes them.

Ends with exit code 75 when a link is not ready.";

const STATUS_EXAMPLES: &str = "\
Examples:
  grantd link status --from .
  grantd link status west --from ~/.local/share/skupper/namespaces/default/input/resources
  grantd link status -A
  grantd link status west -n east -o json";

/// The commands of `grantd link`.
#[derive(Debug, Subcommand)]
pub(crate) enum LinkCommand {
    /// Show whether links would come up
    #[command(long_about = STATUS_ABOUT, after_help = STATUS_EXAMPLES)]
    Status(LinkStatusArgs),
}

/// `grantd link status`.
#[derive(Debug, Args)]
pub(crate) struct LinkStatusArgs {
    /// The name of the link [default: all links]
    pub(crate) name: Option<String>,
    /// A directory of redeemed files, whose links are tested from this host
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
    /// The namespace of the links, when the server is asked.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,
    /// Show the links of all namespaces, whatever -n says
    #[arg(short = 'A', long, conflicts_with_all = ["name", "from"])]
    pub(crate) all_namespaces: bool,
    /// Print JSON or YAML documents [default: a table or text]
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DocumentFormat>,
}
