//! `grantd store`.

use clap::Subcommand;

/// The commands of `grantd store`.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Let redemptions go on after the database was put back to an older state
    #[command(long_about = ACKNOWLEDGE_ABOUT, after_help = ACKNOWLEDGE_EXAMPLES)]
    AcknowledgeRollback,
}

const ACKNOWLEDGE_ABOUT: &str = "\
Let redemptions go on after the database was put back to an older state

A server remembers how far its database had come, also in the file revision.mark of the data directory. When the database
is behind that, because an older copy of its file or an older snapshot was put in its place, it does not know of the
redemptions after it, and would allow them once more. So redemptions are answered with 503, and /readyz says why. If the
newer database is still there, stop the server and put it back. If not, run this command: it expires all grants
that are open, says how many there were, and lets redemptions of new grants go on. 'grantd backup restore' does the same by
itself. The server must run.";

const ACKNOWLEDGE_EXAMPLES: &str = "\
Examples:
  grantd store acknowledge-rollback
  grantd store acknowledge-rollback --data-dir /var/lib/grantd";
