//! Level 5: the command line. Commands, configuration, output, telemetry; the work is done in the rooms below.

mod args;
mod command;
mod config;
mod data_dir;
mod error;
mod flag;
#[cfg(fuzzing)]
pub mod fuzzing;
mod output;
mod place;
mod process;
mod resource;
mod run;
mod serve;
mod server;
mod telemetry;

use error::{CliError, Exit};
pub use process::keep_secrets_in;
pub use run::run;
