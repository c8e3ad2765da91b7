//! What the use cases need done by others, over the network: ports, which the rooms above fit their adapters to.

use std::{future::Future, pin::Pin, time::Duration};

use crate::link::{AccessToken, Bundle, Endpoint, TlsSecret};

/// What a port's operation returns.
pub type PortFuture<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Turns tokens of other sites into bundles.
pub trait Redeemer: Send + Sync + 'static {
    /// Redeems `token` for `subject` (protocol.md 1.1), within 10 seconds. Each call may use up one redemption, also one
    /// that fails.
    fn redeem<'a>(&'a self, token: &'a AccessToken, subject: &'a str) -> PortFuture<'a, Bundle, RedeemFailure>;
}

/// Why there is no bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeemFailure {
    /// For the token's status, as Skupper words it (protocol.md 1.5); never with a code in it.
    pub message: String,
    /// Whether another attempt can help.
    pub again: Again,
}

/// Whether to try once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It will fail for ever.
    Never,
    /// It may be well later.
    Later,
    /// It may be well later; the other site asks to be left alone for this long.
    After(Duration),
}

/// Tries whether a router takes a link.
pub trait Prober: Send + Sync + 'static {
    /// Makes a mutual-TLS handshake with `endpoint` as a router would (protocol.md 3.3), and closes it. Within 10 seconds.
    fn probe<'a>(&'a self, endpoint: &'a Endpoint, credentials: &'a TlsSecret) -> PortFuture<'a, (), ProbeFailure>;
}

/// Why a router would not come up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProbeFailure {
    /// In words for people; no secret.
    pub message: String,
}
