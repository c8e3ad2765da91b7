//! The admin listeners: a Unix socket for the owner of its file, and TLS for users with certificates.

mod connection;
mod tls;
mod unix;

use std::time::Duration;

pub use self::{tls::AdminTlsListener, unix::AdminSocketListener};
use crate::net::{BindError, UnixBindError};

/// How long a closing listener waits for requests: a little longer than one request may take.
const DRAIN_DEADLINE: Duration = Duration::from_secs(22);

/// Why an admin listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AdminListenerError {
    /// The Unix socket cannot be bound.
    #[error(transparent)]
    Socket(UnixBindError),
    /// The address for users with certificates cannot be bound.
    #[error(transparent)]
    Bind(BindError),
    /// The certificate or its key is of a kind that TLS 1.3 does not use.
    #[error("the admin listener's certificate cannot be used for TLS")]
    Certificate(#[source] rustls::Error),
    /// The CA file holds no certificate that could be a CA.
    #[error("the CA of the admin listener's certificate cannot be used to check those of users")]
    UserCa(#[source] rustls::server::VerifierBuilderError),
}
