//! Ports: what the use cases need done over the network. `client` implements them.

use std::{future::Future, pin::Pin, time::Duration};

use crate::{
    link::{AccessToken, Bundle, Endpoint, TlsSecret},
    pki::RequestKey,
};

/// What a port's operation returns.
pub type PortFuture<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Turns tokens of other sites into bundles.
pub trait Redeemer: Send + Sync + 'static {
    /// Redeems `token` for `subject` (docs/protocol.md section 1.1), within 10 seconds. Each call may use up one
    /// redemption, also one that fails; but calls with the same `key` use up one together, if the other site certifies keys
    /// that it did not make.
    fn redeem<'a>(
        &'a self,
        token: &'a AccessToken,
        subject: &'a str,
        key: Option<&'a RequestKey>,
    ) -> PortFuture<'a, Bundle, RedeemFailure>;
}

/// Why there is no bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeemFailure {
    /// For the token's status, as Skupper words it (docs/protocol.md section 1.5); never with a code in it.
    pub message: String,
    /// Whether and when to try again.
    pub retry: Retry,
}

/// Whether and when to try again after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Do not retry: the same token will fail every time.
    Never,
    /// Retry after a pause that the caller chooses.
    Later,
    /// Retry after this pause or a longer one: the other site asked for it (Retry-After).
    After(Duration),
}

/// Tests whether a router accepts a link.
pub trait Prober: Send + Sync + 'static {
    /// Makes a mutual-TLS handshake with `endpoint` as a router would (docs/protocol.md section 3.3), and closes it.
    /// Within 10 seconds.
    fn probe<'a>(&'a self, endpoint: &'a Endpoint, credentials: &'a TlsSecret) -> PortFuture<'a, (), ProbeFailure>;
}

/// Why the link would not come up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProbeFailure {
    /// A text for people, without a secret.
    pub message: String,
}
