//! The commands, and the arguments of those that have few.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    backup::BackupCommand,
    clock::ClockCommand,
    doctor::{self, DoctorArgs},
    get::{self, GetArgs},
    grant::GrantCommand,
    kubeconfig::{self, KubeconfigArgs},
    ledger::LedgerCommand,
    link::LinkCommand,
    serve::{self, ServeArgs},
    shared::NamespaceArg,
    store::StoreCommand,
    token::TokenCommand,
    user::UserCommand,
};
use crate::cli::output::DocumentFormat;

const AFTER_HELP: &str = "\
Getting started:
  grantd serve                        run the server with a site CA of its own
  grantd token issue west.yaml        make a grant and write its token to a file
  grantd token redeem west.yaml       on the other site: turn the token into a link
  grantd link status --from .         on the other site: see whether the link would come up
  grantd grant list                   see which grants are open, used up or expired
  grantd doctor                       find out what is wrong with files, certificates and host
  grantd kubeconfig --output config   let kubectl use the server (serve --admin-listen)

Exit codes:
  0   done
  1   refused or failed
  64  wrong usage, a faulty configuration, or a file that cannot be read
  69  no server: grantd is not running here, or the token's server cannot be reached
  75  a link is not ready
  77  not permitted to talk to the server of this data directory";

/// Turns a short-lived Skupper access token into a link certificate, exactly as often as you allowed.
///
/// `grantd serve` is the server; it runs beside a Skupper site and needs no Kubernetes. The other commands make and
/// inspect grants on that server, redeem tokens of any server, and test the links made from them.
#[derive(Debug, Parser)]
#[command(name = "grantd", version, after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The directory with the server's database, keys and admin socket
    ///
    /// Every command finds the server through the socket in this directory. The default is $STATE_DIRECTORY, else
    /// $XDG_DATA_HOME/grantd, else ~/.local/share/grantd.
    #[arg(long, global = true, env = "GRANTD_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<OsString>,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    #[command(long_about = serve::ABOUT, after_help = serve::EXAMPLES)]
    Serve(Box<ServeArgs>),

    /// Issue and redeem access tokens
    #[command(subcommand, arg_required_else_help = true)]
    Token(TokenCommand),

    /// Make, list, show and delete access grants
    #[command(subcommand, arg_required_else_help = true)]
    Grant(GrantCommand),

    /// Show and export the records of redemptions
    #[command(subcommand, arg_required_else_help = true)]
    Ledger(LedgerCommand),

    /// Show whether links would come up
    #[command(subcommand, arg_required_else_help = true)]
    Link(LinkCommand),

    /// Find out what is wrong with the server's files, certificates and host
    #[command(long_about = doctor::ABOUT, after_help = doctor::EXAMPLES)]
    Doctor(DoctorArgs),

    /// Show the objects of the server, and follow them
    #[command(long_about = get::ABOUT, after_help = get::EXAMPLES)]
    Get(GetArgs),

    /// Create or change access grants from a file
    #[command(long_about = APPLY_ABOUT, after_help = APPLY_EXAMPLES)]
    Apply(ApplyArgs),

    /// Make a kubeconfig with which kubectl and the skupper CLI reach the server
    #[command(long_about = kubeconfig::ABOUT, after_help = kubeconfig::EXAMPLES)]
    Kubeconfig(KubeconfigArgs),

    /// List and revoke the users of kubeconfigs
    #[command(subcommand, arg_required_else_help = true)]
    User(UserCommand),

    /// Make, check and restore backups of the server
    #[command(subcommand, arg_required_else_help = true)]
    Backup(BackupCommand),

    /// Tell the server about its database
    #[command(subcommand, arg_required_else_help = true)]
    Store(StoreCommand),

    /// Tell the server about the clock
    #[command(subcommand, arg_required_else_help = true)]
    Clock(ClockCommand),

    /// Print the version
    #[command(after_help = "Examples:\n  grantd version\n  grantd version -o json")]
    Version(VersionArgs),

    /// Print a script that completes grantd's commands in your shell
    #[command(after_help = "Examples:\n  source <(grantd completion bash)\n  \
                            grantd completion fish > ~/.config/fish/completions/grantd.fish")]
    Completion(CompletionArgs),
}

const APPLY_ABOUT: &str = "\
Create or change access grants from a file

Reads one or more YAML or JSON documents of kind AccessGrant. The server validates all of them before the first one is
stored. A grant that does not exist is created; a grant that exists is changed where the document differs from it. For
other kinds, use kubectl: see 'grantd kubeconfig --help'.";

const APPLY_EXAMPLES: &str = "\
Examples:
  grantd apply -f accessgrant.yaml
  kubectl get accessgrant offer -o yaml | grantd apply -f -";

/// `grantd apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The file with the documents; '-' reads standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The namespace of documents that name none.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArg,
}

/// `grantd version`.
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Print the version as a JSON or YAML document [default: one line of text]
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DocumentFormat>,
}

/// `grantd completion`.
#[derive(Debug, Args)]
pub(crate) struct CompletionArgs {
    /// The shell that you use
    pub(crate) shell: Shell,
}

/// The shells for which there is a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_commands_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_is_understood() {
        for line in [
            "grantd serve",
            "grantd serve --listen 0.0.0.0:1 --link-host a --link-host b,c -n west --config x.yaml",
            "grantd --data-dir /d token issue west.yaml",
            "grantd token issue - --data-dir /d --redemptions-allowed 2 --expiration-window 1h --cost 3 --name x -n west --force",
            "grantd token redeem west.yaml --output dir -n west --subject s --timeout 20s --force",
            "grantd grant create g --code-file - --issuer ca --expiration-window 5m -n west",
            "grantd grant list -A -o name",
            "grantd grant show g -o yaml --show-code",
            "grantd grant delete a b c -n west",
            "grantd ledger list -A --grant west --since 24h -o csv",
            "grantd ledger export --subject s --peer 10.1.1.1 --until 2026-01-02T03:04:05Z -o jsonl",
            "grantd token check west.yaml --timeout 5s -o json",
            "grantd doctor --config grantd.yaml --router-cert tls.crt -o yaml",
            "grantd link status",
            "grantd link status west --from links -o json",
            "grantd link status -A",
            "grantd get accessgrants -A -o name",
            "grantd get link west -n west --watch",
            "grantd apply -f - -n west",
            "grantd kubeconfig --user alice --namespace west --read-only --server https://h:1 --valid-for 24h --output config --force",
            "grantd kubeconfig --renew config --valid-for 24h",
            "grantd user list -o yaml",
            "grantd user revoke alice bob --serial 0A0B",
            "grantd user revoke --serial 0A0B",
            "grantd backup create --force x.backup",
            "grantd backup verify x.backup",
            "grantd backup restore x.backup --data-dir /d --force",
            "grantd clock accept --data-dir /d",
            "grantd store acknowledge-rollback",
            "grantd version -o json",
            "grantd completion fish",
        ] {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
    }

    #[test]
    fn wrong_usage_is_refused() {
        for line in [
            "grantd",
            "grantd token",
            "grantd token issue",
            "grantd token issue a b",
            "grantd grant create g --code secret",
            "grantd grant delete",
            "grantd link",
            "grantd link status west -A",
            "grantd link status --from links -A",
            "grantd get",
            "grantd get pods",
            "grantd kubeconfig --renew config --user alice",
            "grantd user",
            "grantd user revoke",
            "grantd completion tcsh",
            "grantd serve stray",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn every_command_shows_an_example() {
        let mut waiting = vec![Cli::command()];
        while let Some(mut command) = waiting.pop() {
            command.build();
            let children: Vec<_> = command.get_subcommands().filter(|c| c.get_name() != "help").cloned().collect();
            if children.is_empty() {
                let help = command.render_long_help().to_string();
                assert!(help.contains("grantd "), "{help}");
                assert!(help.contains("Example"), "{} has no example", command.get_name());
                assert!(command.get_about().is_some());
            }
            waiting.extend(children);
        }
    }
}
