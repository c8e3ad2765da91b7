//! The commands: one file for each, in directories as the commands are typed. `grantd serve` is in [`serve`](super::serve).

pub(crate) mod apply;
pub(crate) mod backup;
pub(crate) mod clock;
pub(crate) mod completion;
pub(crate) mod doctor;
pub(crate) mod get;
pub(crate) mod grant;
pub(crate) mod kubeconfig;
pub(crate) mod ledger;
pub(crate) mod link;
pub(crate) mod store;
pub(crate) mod token;
pub(crate) mod user;
pub(crate) mod version;
