//! Runs the command that the arguments name, and returns the exit code.

use std::{
    ffi::OsString,
    io::{self, IsTerminal, LineWriter, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{ArgMatches, CommandFactory, FromArgMatches, error::ErrorKind, parser::ValueSource};
use rustix::{
    fs::Mode,
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask},
};
use tokio::runtime::Runtime;

use super::{
    args::{
        BackupCommand, Cli, ClockCommand, Command, GrantCommand, LedgerCommand, LinkCommand, StoreCommand,
        TokenCommand, UserCommand,
    },
    command::{
        apply, backup, clock, completion, doctor, get, grant, kubeconfig, ledger, link, store, token, user, version,
    },
    config::{self, Surroundings},
    data_dir::{NO_DATA_DIR, default_data_dir},
    error::CliError,
    exit::Exit,
    output::{Console, ConsoleError, printable},
    serve::{self, ReadConfig},
    server::Server,
    telemetry,
};
use crate::metrics::Metrics;

/// Sets the umask so that only the owner can read new files, and prevents core dumps, which would contain secrets.
///
/// The process is made not dumpable besides: the limit of core dumps does not hold where the system pipes them to a program
/// (core(5)), and other processes of the same user could read the memory (ptrace(2)).
pub fn keep_secrets_in() {
    umask(Mode::from_raw_mode(0o077));
    // The system never refuses that a process lowers its own limit, so the result is ignored.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // Fails only for values that prctl(2) does not know.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Runs the program with these arguments, of which the first is the program's own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match Cli::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return answer_without_a_command(&error),
    };
    // Dropped last, also after a panic.
    let _last_lines = telemetry::LastLines;
    let (mut results, mut notes) = (io::stdout().lock(), LineWriter::new(telemetry::Stderr));
    let outcome = Cli::from_arg_matches(&matches)
        .map_err(|error| CliError::usage(error.to_string()))
        .and_then(|cli| dispatch(cli, &matches, &mut Console::new(&mut results, &mut notes)))
        .and_then(|()| Ok(results.flush().map_err(ConsoleError)?));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, &mut notes);
            ExitCode::from(error.exit().code())
        }
    }
}

fn dispatch(cli: Cli, matches: &ArgMatches, console: &mut Console<'_>) -> Result<(), CliError> {
    let data_dir = || data_dir(cli.data_dir, matches);
    match cli.command {
        Command::Serve(_) => serve_until_stopped(matches, console),
        Command::Token(TokenCommand::Issue(args)) => {
            wait_for(token::issue::run(&args, &Server::of(&data_dir()?), console))
        }
        Command::Token(TokenCommand::Redeem(args)) => wait_for(token::redeem::run(&args, console)),
        Command::Token(TokenCommand::Check(args)) => wait_for(token::check::run(&args, console)),
        Command::Doctor(args) => {
            let flags = matches.subcommand_matches("doctor").unwrap_or(matches);
            let config = config::resolve(flags, &surroundings()).map_err(CliError::Config)?;
            wait_for(doctor::run(&args, &config, console))
        }
        Command::Grant(GrantCommand::Create(args)) => {
            wait_for(grant::create::run(&args, &Server::of(&data_dir()?), console))
        }
        Command::Grant(GrantCommand::List(args)) => {
            wait_for(grant::list::run(&args, &Server::of(&data_dir()?), console))
        }
        Command::Grant(GrantCommand::Show(args)) => {
            wait_for(grant::show::run(&args, &Server::of(&data_dir()?), console))
        }
        Command::Grant(GrantCommand::Delete(args)) => {
            wait_for(grant::delete::run(&args, &Server::of(&data_dir()?), console))
        }
        Command::Ledger(LedgerCommand::List(args)) => wait_for(ledger::list(&args, &Server::of(&data_dir()?), console)),
        Command::Ledger(LedgerCommand::Export(args)) => {
            wait_for(ledger::export(&args, &Server::of(&data_dir()?), console))
        }
        Command::Link(LinkCommand::Status(args)) => match &args.from {
            Some(directory) => wait_for(link::status::of_files(&args, directory, console)),
            None => wait_for(link::status::of_server(&args, &Server::of(&data_dir()?), console)),
        },
        Command::Get(args) => wait_for(get::run(&args, &Server::of(&data_dir()?), console)),
        Command::Apply(args) => wait_for(apply::run(&args, &Server::of(&data_dir()?), console)),
        Command::Kubeconfig(args) => kubeconfig::run(&args, &data_dir()?, console),
        Command::User(UserCommand::List(args)) => user::list::run(&args, &data_dir()?, console),
        Command::User(UserCommand::Revoke(args)) => user::revoke::run(&args, &data_dir()?, console),
        Command::Backup(BackupCommand::Create(args)) => wait_for(backup::create::run(&args, &data_dir()?, console)),
        Command::Backup(BackupCommand::Verify(args)) => wait_for(backup::verify::run(&args, console)),
        Command::Backup(BackupCommand::Restore(args)) => wait_for(backup::restore::run(&args, &data_dir()?, console)),
        Command::Store(StoreCommand::AcknowledgeRollback) => {
            wait_for(store::acknowledge_rollback(&Server::of(&data_dir()?), console))
        }
        Command::Clock(ClockCommand::Accept) => clock::run(&data_dir()?, console),
        Command::Version(args) => version::run(&args, console),
        Command::Completion(args) => completion::run(&args, console),
    }
}

/// A runtime with one thread, which is enough for a command.
fn wait_for(command: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    run_to_end(runtime, command)
}

/// Waits for `work` and for nothing else: the system's resolver cannot be interrupted, and dropping a runtime waits for it as
/// long as a name server does not answer. What `work` has not waited for is safe to lose, as in a crash.
fn run_to_end<T>(runtime: Runtime, work: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

/// The data directory. An empty environment variable counts as not set; an empty flag is refused, as it is probably an unset
/// variable of the shell.
fn data_dir(data_dir: Option<OsString>, matches: &ArgMatches) -> Result<PathBuf, CliError> {
    let typed = matches.value_source("data_dir") == Some(ValueSource::CommandLine);
    let data_dir = match data_dir {
        Some(path) if path.is_empty() && typed => return Err(CliError::usage("--data-dir: must be a path; got \"\"")),
        Some(path) if !path.is_empty() => Some(PathBuf::from(path)),
        Some(_) | None => default_data_dir(|name| std::env::var_os(name)),
    };
    data_dir.ok_or_else(|| CliError::usage(format!("--data-dir: {NO_DATA_DIR}")))
}

/// Reads the configuration again, with the flags and the environment of the start.
fn read_again(flags: &ArgMatches) -> ReadConfig {
    let (flags, host_name) = (flags.clone(), serve::host_name());
    Arc::new(move || {
        let environment = |name: &str| std::env::var_os(name);
        config::resolve(&flags, &Surroundings { environment: &environment, host_name: host_name.clone() })
    })
}

/// The environment of this process.
fn surroundings() -> Surroundings<'static> {
    Surroundings { environment: &|name| std::env::var_os(name), host_name: serve::host_name() }
}

fn serve_until_stopped(matches: &ArgMatches, console: &mut Console<'_>) -> Result<(), CliError> {
    let flags = matches.subcommand_matches("serve").unwrap_or(matches);
    let config = config::resolve(flags, &surroundings()).map_err(CliError::Config)?;
    let metrics = Arc::new(Metrics::new());
    let counted = Arc::clone(&metrics);
    telemetry::start(config.log_format, &config.log_filter, move || counted.log_line_dropped())
        .map_err(CliError::Runtime)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)?;
    run_to_end(runtime, serve::run(config, read_again(flags), metrics, console)).map_err(CliError::Serve)
}

/// Prints help or version as a result, and other texts of the argument parser as wrong usage.
fn answer_without_a_command(error: &clap::Error) -> ExitCode {
    // A failure to print is ignored.
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
    } else {
        let text = error.render().to_string();
        let _ = write!(io::stderr(), "grantd: {}", text.strip_prefix("error: ").unwrap_or(&text));
    }
    ExitCode::from(Exit::Usage.code())
}

fn report(error: &CliError, notes: &mut impl Write) {
    if let CliError::Several(failures) = error {
        failures.iter().for_each(|failure| report(failure, notes));
        return;
    }
    let colours = io::stderr().is_terminal() && !telemetry::no_color();
    let (red, plain) = if colours { ("\u{1b}[31m", "\u{1b}[0m") } else { ("", "") };
    // If this cannot be printed, there is nowhere else to report it.
    let _ = writeln!(notes, "{red}grantd:{plain} {}", printable(&error.chain()));
    if let Some(hint) = error.hint() {
        let _ = writeln!(notes, "hint: {}", printable(&hint));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc,
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn the_end_waits_for_no_blocking_task() {
        // Simulates a lookup by the system's resolver while the name server does not answer.
        let (answer, never_answers) = mpsc::channel::<()>();
        let (starts, started) = tokio::sync::oneshot::channel();
        let lookup = move || {
            let _ = starts.send(());
            never_answers.recv_timeout(Duration::from_secs(20))
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let begun = Instant::now();

        let outcome = run_to_end(runtime, async {
            drop(tokio::task::spawn_blocking(lookup));
            started.await.unwrap();
            7
        });

        assert_eq!(outcome, 7);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        drop(answer);
    }
}
