//! Watches: the objects of a type as they change (docs/kubernetes-api.md section 4.4).

mod event;
pub(crate) mod shared;
mod source;
mod step;
pub(crate) mod stream;
pub(crate) mod watcher;
