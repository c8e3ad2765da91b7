//! `grantd doctor`.

use std::path::PathBuf;

use clap::Args;

use super::serve::ServeArgs;
use crate::cli::output::DocumentFormat;

pub(super) const ABOUT: &str = "\
Find out what is wrong with this server's files, certificates and host

It reads the settings of 'grantd serve' (the same flags, variables and file), changes nothing, and works while the server
runs and while it does not. Each finding is ok, warn or fail, with its remedy; the exit code is 1 when anything failed.";

pub(super) const EXAMPLES: &str = "\
Examples:
  grantd doctor
  grantd doctor --config /etc/grantd/grantd.yaml -o json
  grantd doctor --router-cert /var/lib/skupper/namespaces/west/runtime/certs/skupper-site-server/tls.crt";

/// `grantd doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The certificate of a site's router, PEM: whether links will reach it, and it will accept them
    #[arg(long, value_name = "FILE", help_heading = "Checks")]
    pub(crate) router_cert: Option<PathBuf>,
    /// Print JSON or YAML [default: a line for each finding]
    #[arg(short, long, value_name = "FORMAT", help_heading = "Checks")]
    pub(crate) output: Option<DocumentFormat>,
    /// The settings of the server.
    #[command(flatten)]
    pub(crate) serve: Box<ServeArgs>,
}
