//! `grantd clock`.

use clap::Subcommand;

/// The commands of `grantd clock`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClockCommand {
    /// Let the server take the clock as it is now, after it was set back
    #[command(long_about = ACCEPT_ABOUT, after_help = "Examples:\n  grantd clock accept\n  grantd clock accept --data-dir /var/lib/grantd")]
    Accept,
}

const ACCEPT_ABOUT: &str = "\
Let the server take the clock as it is now, after it was set back

A server keeps the latest time that it has seen in its data directory. While the clock shows an earlier one, by more than
ten seconds, redemptions are answered with 503, because grants that have expired would be valid again. When the clock was
wrong before and is right now, run this command: a running server takes it over within seconds. Grants that expired
by mistake are valid again then.";
