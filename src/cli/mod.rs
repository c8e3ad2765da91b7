//! Level 5: the command line. Commands, configuration, output, telemetry; the work is done in the rooms below.

pub mod args;
pub mod config;
mod error;
pub mod serve;
pub mod telemetry;

pub use error::{CliError, Exit, chain};
