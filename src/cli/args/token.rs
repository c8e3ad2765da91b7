//! `grantd token`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::shared::NamespaceArg;
use crate::{cli::output::DocumentFormat, grant::ExpirationWindow};

const ISSUE_ABOUT: &str = "\
Make a grant and write its token to a file

The file holds a secret: anyone who has it can redeem it, until it is used up or expires. Only you can read it (mode
0600). No grant is made on the server when the file cannot be written.";

const ISSUE_EXAMPLES: &str = "\
Examples:
  grantd token issue west.yaml
  grantd token issue west.yaml --redemptions-allowed 3 --expiration-window 2h
  grantd token issue - -n west | ssh east 'umask 077; cat > west.yaml'";

const REDEEM_ABOUT: &str = "\
Turn a token into a Secret and Links for a connecting site

Needs neither a server nor Skupper on this host: it connects to the server that the token names, trusts only the CA in
the token, and writes Secret-NAME.yaml and Link-NAME.yaml. Load them with 'skupper system reload' or 'kubectl apply';
'grantd link status --from DIR' shows whether the link would come up. Every redemption counts, so the command checks
that the files can be written, and keeps 2 MiB of the disk for them, before it uses the token.";

const REDEEM_EXAMPLES: &str = "\
Examples:
  grantd token redeem west.yaml
  grantd token redeem west.yaml --output ~/.local/share/skupper/namespaces/default/input/resources
  grantd token redeem west.yaml -n east --output ~/.local/share/skupper/namespaces/east/input/resources
  mkdir links && grantd token redeem - --output links < west.yaml && kubectl apply -f links";

const CHECK_ABOUT: &str = "\
Find out whether a token can be redeemed, without redeeming it

It connects to the token's server, trusts only the CA in the token, compares the clocks, and asks whether the grant is
still open; this uses up no redemption, here and with Skupper's own servers. Whether the code is right is seen only when
the token is redeemed. Exit code 0: it can be redeemed; 1: it cannot; 64: the file is no token; 69: the server cannot be
reached.";

const CHECK_EXAMPLES: &str = "\
Examples:
  grantd token check west.yaml
  grantd token check west.yaml -o json && grantd token redeem west.yaml";

/// The commands of `grantd token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a grant and write its token to a file
    #[command(long_about = ISSUE_ABOUT, after_help = ISSUE_EXAMPLES)]
    Issue(IssueArgs),

    /// Find out whether a token can be redeemed, without redeeming it
    #[command(long_about = CHECK_ABOUT, after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),

    /// Turn a token into a Secret and Links for a connecting site
    #[command(long_about = REDEEM_ABOUT, after_help = REDEEM_EXAMPLES)]
    Redeem(RedeemArgs),
}

/// `grantd token issue`.
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    /// The file to write; '-' is standard output
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// How many times the token can be redeemed
    #[arg(long, value_name = "COUNT", default_value = "1", help_heading = "Grant", allow_hyphen_values = true)]
    pub(crate) redemptions_allowed: String,
    /// How long the token can be redeemed, as in 90s, 15m or 2h30m; at least 1m
    #[arg(long, value_name = "DURATION", default_value_t = ExpirationWindow::default().to_string(), help_heading = "Grant", allow_hyphen_values = true)]
    pub(crate) expiration_window: String,
    /// The cost of links made with the token; 0 lets the connecting site decide
    #[arg(long, value_name = "COST", default_value = "1", help_heading = "Grant", allow_hyphen_values = true)]
    pub(crate) cost: String,
    /// The name of the grant and of the link [default: the site's name and a random part]
    #[arg(long, value_name = "NAME", help_heading = "Grant")]
    pub(crate) name: Option<String>,
    /// The namespace of the grant.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,

    /// How long to wait until the grant is ready; at least 10s
    #[arg(long, value_name = "DURATION", default_value = "1m0s", allow_hyphen_values = true)]
    pub(crate) timeout: String,
    /// Replace the file if it exists; only a regular file is replaced
    #[arg(long)]
    pub(crate) force: bool,
}

/// `grantd token check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The file with the token; '-' reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print JSON or YAML [default: a line for each finding]
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DocumentFormat>,
    /// How long to wait for the server; at least 1s
    #[arg(long, value_name = "DURATION", default_value = "10s", allow_hyphen_values = true)]
    pub(crate) timeout: String,
}

/// `grantd token redeem`.
#[derive(Debug, Args)]
pub(crate) struct RedeemArgs {
    /// The file with the token; '-' reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The directory to write the files to
    #[arg(long, value_name = "DIR", default_value = ".", help_heading = "Files")]
    pub(crate) output: PathBuf,
    /// The namespace to write into the documents [default: none, which Skupper without Kubernetes reads as 'default']
    ///
    /// A site in another namespace than 'default' needs this flag: Skupper without Kubernetes reads a document without
    /// a namespace as one for 'default', and does not start a site whose files name several namespaces. 'kubectl apply'
    /// puts a document without a namespace into its current one, and refuses one whose namespace differs from its -n.
    #[arg(short, long, value_name = "NAMESPACE", help_heading = "Files")]
    pub(crate) namespace: Option<String>,
    /// Replace the files if they exist; only regular files are replaced
    #[arg(long, help_heading = "Files")]
    pub(crate) force: bool,

    /// The subject of the certificate, which the other site's ledger shows [default: the token's name]
    #[arg(long, value_name = "SUBJECT", default_value = "", hide_default_value = true)]
    pub(crate) subject: String,
    /// How long to wait for the server; at least 1s
    #[arg(long, value_name = "DURATION", default_value = "10s", allow_hyphen_values = true)]
    pub(crate) timeout: String,
}
