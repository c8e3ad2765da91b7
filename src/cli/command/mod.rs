//! What the commands do: a file for each, laid out as they are typed. The one that stays is in [`serve`](super::serve).

pub(crate) mod apply;
pub(crate) mod completion;
pub(crate) mod get;
pub(crate) mod grant;
pub(crate) mod kubeconfig;
pub(crate) mod link;
pub(crate) mod token;
pub(crate) mod version;
