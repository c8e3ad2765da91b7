//! Level 5: the command line. Commands, configuration, output, telemetry; the work is done in the rooms below.

mod apply;
mod apply_document;
mod args;
mod completion;
mod config;
mod data_dir;
mod error;
mod flag;
#[cfg(fuzzing)]
pub mod fuzzing;
mod grant_create;
mod grant_delete;
mod grant_list;
mod grant_show;
mod output;
mod place;
mod process;
mod resource;
mod run;
mod serve;
mod server;
mod telemetry;
mod token_issue;
mod token_redeem;
mod version;

use error::{CliError, Exit, chain};
pub use process::keep_secrets_in;
pub use run::run;
