//! Level 5: the command line. Commands, configuration, output, telemetry; the work is done in the modules below.
//!
//! The files of this module in their order, each using only those before it: `exit`, `output`, `data_dir`, `log_queue`,
//! `telemetry`, `database`, `user_file`, `backup_error`, `config`, `serve`, `error`, `flag`, `files`, `args`, `resource`,
//! `answer`, `server`, `command`, `run`, `fuzzing`.

mod answer;
mod args;
mod backup_error;
mod command;
mod config;
mod data_dir;
mod database;
mod error;
mod exit;
mod files;
mod findings;
mod flag;
#[cfg(fuzzing)]
pub mod fuzzing;
mod log_queue;
mod output;
mod resource;
mod run;
mod serve;
mod server;
mod telemetry;
mod user_file;

pub use run::{keep_secrets_in, run};
