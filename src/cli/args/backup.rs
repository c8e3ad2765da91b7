//! `grantd backup`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The commands of `grantd backup`.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Write everything a server needs into one file, while it runs or not
    #[command(long_about = CREATE_ABOUT, after_help = "Examples:\n  grantd backup create grantd-monday.backup")]
    Create(BackupCreateArgs),

    /// Check that a backup is whole and could be restored
    #[command(long_about = VERIFY_ABOUT, after_help = "Examples:\n  grantd backup verify grantd-monday.backup")]
    Verify(BackupVerifyArgs),

    /// Put a backup into a data directory that no server uses
    #[command(
        long_about = RESTORE_ABOUT,
        after_help = "Examples:\n  grantd backup restore grantd-monday.backup --data-dir /var/lib/grantd"
    )]
    Restore(BackupRestoreArgs),
}

const CREATE_ABOUT: &str = "\
Write everything a server needs into one file, while it runs or not

The file holds the database as it is at one moment, its sealing key, and the keys and certificates of the data directory,
with a checksum. It is a secret, and only you can read it (mode 0600). Run the command as the user of the server. Beside
FILE there must be space for twice the size of the database.";

const VERIFY_ABOUT: &str = "\
Check that a backup is whole and could be restored

Compares the checksum, has SQLite check the database, and tries the key on it. The checksum finds damage; it does not prove
who made the file. The directory for temporary files (TMPDIR) must have space for the backup.";

const RESTORE_ABOUT: &str = "\
Put a backup into a data directory that no server uses

A backup does not know of the redemptions after it. So every grant that could still be redeemed is expired: make new ones.
Run the command as the user of the server.";

/// `grantd backup create`.
#[derive(Debug, Args)]
pub(crate) struct BackupCreateArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

/// `grantd backup verify`.
#[derive(Debug, Args)]
pub(crate) struct BackupVerifyArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// `grantd backup restore`.
#[derive(Debug, Args)]
pub(crate) struct BackupRestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Restore into a directory that is not empty: what is there is moved into a directory 'before-restore-...' in it
    #[arg(long)]
    pub(crate) force: bool,
}
