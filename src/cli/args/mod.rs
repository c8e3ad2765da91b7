//! What a user types. Values stay text where a later step parses them, so that all faults come together.

mod backup;
mod cli;
mod clock;
mod doctor;
mod get;
mod grant;
mod kubeconfig;
mod ledger;
mod link;
mod serve;
mod shared;
mod store;
mod token;
mod user;

pub(crate) use backup::{BackupCommand, BackupCreateArgs, BackupRestoreArgs, BackupVerifyArgs};
pub(crate) use cli::{ApplyArgs, Cli, Command, CompletionArgs, Shell, VersionArgs};
pub(crate) use clock::ClockCommand;
pub(crate) use doctor::DoctorArgs;
pub(crate) use get::{GetArgs, GetFormat, ObjectKind};
pub(crate) use grant::{CreateArgs, DeleteArgs, GrantCommand, ListArgs, ShowArgs};
pub(crate) use kubeconfig::KubeconfigArgs;
pub(crate) use ledger::{LedgerCommand, LedgerExportArgs, LedgerFilterArgs, LedgerFormat, LedgerListArgs};
pub(crate) use link::{LinkCommand, LinkStatusArgs};
pub(crate) use shared::ListFormat;
#[cfg(test)]
pub(crate) use shared::NamespaceArg;
pub(crate) use store::StoreCommand;
pub(crate) use token::{CheckArgs, IssueArgs, RedeemArgs, TokenCommand};
pub(crate) use user::{UserCommand, UserListArgs, UserRevokeArgs};
