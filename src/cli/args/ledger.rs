//! `grantd ledger`.

use clap::{Args, Subcommand, ValueEnum};

use super::shared::NamespaceArg;

const LIST_EXAMPLES: &str = "\
Examples:
  grantd ledger list
  grantd ledger list -A --since 24h
  grantd ledger list --grant west --subject east-site -o csv";

const EXPORT_ABOUT: &str = "\
Write the records of redemptions for other programs

One JSON object on each line, or CSV with one line of headings. The type is 'redemption', 'replay' when the same
certificate was sent again, or 'reissue' for another certificate of the same redemption. The rows come in the order of the
grants' uids and, for each grant, of its redemptions, and are written while they are read. In CSV a text that a spreadsheet
would take for a formula has an apostrophe in front of it: names and subjects are what connecting sites chose.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  grantd ledger export -A > ledger.jsonl
  grantd ledger export -A -o csv --since 2026-01-01T00:00:00Z --until 2026-02-01T00:00:00Z > january.csv
  grantd ledger export -A | jq -r 'select(.peer == \"10.1.1.1\").serial'";

/// The commands of `grantd ledger`.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Show who redeemed what, also of deleted grants
    #[command(visible_alias = "ls", after_help = LIST_EXAMPLES)]
    List(LedgerListArgs),

    /// Write the records of redemptions for other programs
    #[command(long_about = EXPORT_ABOUT, after_help = EXPORT_EXAMPLES)]
    Export(LedgerExportArgs),
}

/// `grantd ledger list`.
#[derive(Debug, Args)]
pub(crate) struct LedgerListArgs {
    /// How the rows are printed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: LedgerFormat,
    /// Which rows.
    #[command(flatten)]
    pub(crate) filter: LedgerFilterArgs,
}

/// `grantd ledger export`.
#[derive(Debug, Args)]
pub(crate) struct LedgerExportArgs {
    /// How the rows are written
    #[arg(short, long, value_name = "FORMAT", default_value = "jsonl")]
    pub(crate) output: LedgerFormat,
    /// Which rows.
    #[command(flatten)]
    pub(crate) filter: LedgerFilterArgs,
}

/// How rows of the ledger are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LedgerFormat {
    /// A table for people
    Table,
    /// One JSON object on each line
    Jsonl,
    /// CSV (RFC 4180) with headings
    Csv,
}

/// The filters; a row has to match all of them.
#[derive(Debug, Args)]
pub(crate) struct LedgerFilterArgs {
    /// The namespace of the grants.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,
    /// The grants of all namespaces, whatever -n says
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Only redemptions of the grant with this name or uid
    #[arg(long, value_name = "GRANT", help_heading = "Filters")]
    pub(crate) grant: Option<String>,
    /// Only redemptions by this subject, as the connecting site gave it
    #[arg(long, value_name = "SUBJECT", help_heading = "Filters")]
    pub(crate) subject: Option<String>,
    /// Only redemptions from this address
    #[arg(long, value_name = "ADDRESS", help_heading = "Filters")]
    pub(crate) peer: Option<String>,
    /// Only redemptions at or after this time (2026-01-02T03:04:05Z), or since so long ago (24h)
    #[arg(long, value_name = "TIME", help_heading = "Filters", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Only redemptions before this time, or until so long ago
    #[arg(long, value_name = "TIME", help_heading = "Filters", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,
}
