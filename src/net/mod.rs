//! Level 3: what all listeners share.

mod bind;
mod incoming;
mod peer;
mod progress;

pub use self::{
    bind::{BindError, BoundTcp},
    incoming::Acceptor,
    peer::Peer,
};
pub(crate) use self::{
    incoming::{Accepted, Incoming},
    progress::Progressing,
};
