//! What the commands do: a file for each, laid out as they are typed. The one that stays is in [`serve`](super::serve).

pub mod apply;
pub mod completion;
pub mod get;
pub mod grant;
pub mod kubeconfig;
pub mod link;
pub mod token;
pub mod version;
