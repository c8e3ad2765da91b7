//! `grantd kubeconfig`.

use std::path::PathBuf;

use clap::Args;

pub(super) const ABOUT: &str = "\
Make a kubeconfig with which kubectl and the skupper CLI reach the server

The server must listen for these clients: start it with --admin-listen. The kubeconfig holds a new client certificate
and its key, signed by the admin CA in the data directory: keep it as you keep a password. --output writes a file
that only you can read (mode 0600); a file to which a shell redirects standard output is readable by others on most
systems.

What the user may do is written into the certificate. A user who may write, in one namespace or in all, can let other
sites link to the site. 'grantd user list' shows the users, 'grantd user revoke' ends what a user may do, at once. To
revoke all certificates together, stop the server, remove the directory admin-ca from the data directory, and start the
server again; it makes a new CA, and accepts no certificate of the old one.

--renew FILE gives a kubeconfig that exists a new certificate and key for the same user, and leaves everything else in the
file as it is. The former certificate stays good until it expires. A revoked user is not renewed.";

pub(super) const EXAMPLES: &str = "\
Examples:
  grantd kubeconfig --output config
  kubectl --kubeconfig config get accessgrants
  grantd kubeconfig --user alice --namespace west --output alice.config
  grantd kubeconfig --renew alice.config
  grantd kubeconfig --user dashboard --read-only --valid-for 24h | ssh dashboard 'umask 077; cat > config'";

/// `grantd kubeconfig`.
#[derive(Debug, Args)]
pub(crate) struct KubeconfigArgs {
    /// The user's name, as the server's log and its refusals show it
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub(crate) user: String,

    /// Permit access to this namespace only [default: to every namespace]
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,

    /// Permit reading only, of everything except Secrets; the codes of grants and tokens, which redeem
    /// them, can be read
    #[arg(long)]
    pub(crate) read_only: bool,

    /// The URL of the server's admin API [default: the one where it last listened]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,

    /// How long the certificate is valid, 1h to 87600h
    #[arg(long, value_name = "DURATION", default_value = "720h")]
    pub(crate) valid_for: String,

    /// Put a new certificate and key into this kubeconfig instead of making one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "namespace", "read_only", "server", "output", "force"])]
    pub(crate) renew: Option<PathBuf>,

    /// The file to write; '-' is standard output
    #[arg(long, value_name = "FILE", default_value = "-", help_heading = "File")]
    pub(crate) output: PathBuf,
    /// Replace the file if it exists; only a regular file is replaced
    #[arg(long, help_heading = "File")]
    pub(crate) force: bool,
}
