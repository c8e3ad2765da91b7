//! Level 5: the command line. Commands, configuration, output, telemetry; the work is done in the rooms below.

pub mod args;
mod completion;
pub mod config;
mod error;
pub mod output;
mod process;
mod run;
pub mod serve;
pub mod telemetry;
mod version;

pub use error::{CliError, Exit, chain};
pub use process::keep_secrets_in;
pub use run::run;
