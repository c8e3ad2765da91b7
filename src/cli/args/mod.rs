//! What a user types. Values stay text where a later step parses them, so that all faults come together.

mod cli;
mod get;
mod grant;
mod kubeconfig;
mod link;
mod serve;
mod shared;
mod token;

pub use cli::{ApplyArgs, Cli, Command, CompletionArgs, Shell, VersionArgs};
pub use get::{GetArgs, GetFormat, ObjectKind};
pub use grant::{CreateArgs, DeleteArgs, GrantCommand, ListArgs, ShowArgs};
pub use kubeconfig::KubeconfigArgs;
pub use link::{LinkCommand, LinkStatusArgs};
pub use shared::{ListFormat, NamespaceArg};
pub use token::{IssueArgs, RedeemArgs, TokenCommand};
