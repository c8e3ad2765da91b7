//! Level 3: the network layer of all listeners. A listener says which TLS, which service and which limits; everything else is
//! here, once.
//!
//! A connection goes through [`incoming`] (accepted from a bound socket, [`bind`] or [`unix`]), [`limiter`] (a permit, or
//! none; [`places`] and [`pool`] share them fairly between each [`source`]), [`mod@serve`] (its phases with their deadlines, and the drain), [`tls`] (the handshake), and then to the
//! [`ConnectionHandler`] of its listener.

mod bind;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handler;
mod host;
mod incoming;
mod limiter;
mod network;
mod peer;
mod places;
mod pool;
mod progress;
mod proxied;
mod proxy;
mod serve;
mod served_certificate;
mod source;
mod tasks;
#[cfg(test)]
mod tests;
mod tls;
mod unix;

pub use self::{
    bind::{BindError, BoundTcp},
    handler::{Closing, Connection, ConnectionHandler, Established, Holder, Raw},
    host::{has_one_host, is_for_one_host},
    incoming::Acceptor,
    limiter::{ActiveRequest, DisplacedError, Permit},
    network::{Network, NetworkError},
    peer::Peer,
    places::NoPlace,
    progress::Progressing,
    proxied::Proxies,
    serve::{Drained, NetLimits, serve},
    served_certificate::{CurrentIdentity, ServedCertificate},
    source::Source,
    tls::{Plain, Tls, TlsParts, Transport},
    unix::{BoundUnix, UnixBindError},
};
