//! From arguments to an exit code.

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use clap::{ArgMatches, CommandFactory, FromArgMatches, error::ErrorKind};

use super::{
    CliError, Exit,
    args::{Cli, Command},
    completion,
    config::{self, Surroundings},
    output::{Console, printable},
    serve, telemetry, version,
};

/// Does what the arguments say; the first of them is the program's own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match Cli::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return answer_without_a_command(&error),
    };
    let (mut results, mut notes) = (io::stdout().lock(), io::stderr());
    let outcome = Cli::from_arg_matches(&matches)
        .map_err(|error| CliError::usage(error.to_string()))
        .and_then(|cli| dispatch(cli, &matches, &mut Console::new(&mut results, &mut notes)))
        .and_then(|()| results.flush().map_err(CliError::Console));
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
    match cli.command {
        Command::Serve(_) => serve_until_told(matches),
        Command::Token(_) | Command::Grant(_) | Command::Apply(_) => Err(CliError::usage("not yet")),
        Command::Version(args) => version::run(&args, console),
        Command::Completion(args) => completion::run(&args, console),
    }
}

fn serve_until_told(matches: &ArgMatches) -> Result<(), CliError> {
    let flags = matches.subcommand_matches("serve").unwrap_or(matches);
    let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let surroundings = Surroundings { environment: &|name| std::env::var_os(name), host_name };
    let config = config::resolve(flags, &surroundings).map_err(CliError::Config)?;
    telemetry::start(config.log_format, &config.log_filter);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)?;
    runtime.block_on(serve::run(config)).map_err(CliError::Serve)
}

/// Help and version are results; everything else is wrong usage, with the texts of the argument parser.
fn answer_without_a_command(error: &clap::Error) -> ExitCode {
    // That nobody may be listening is no failure.
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
    let colours = io::stderr().is_terminal() && !telemetry::no_color();
    let (red, plain) = if colours { ("\u{1b}[31m", "\u{1b}[0m") } else { ("", "") };
    // There is nowhere left to tell that this cannot be told.
    let _ = writeln!(notes, "{red}grantd:{plain} {}", printable(&error.chain()));
    if let Some(hint) = error.hint() {
        let _ = writeln!(notes, "hint: {}", printable(hint));
    }
}
