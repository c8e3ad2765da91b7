//! Level 4: the redeem listener and the observe listener, and the answers of HTTP to a redemption.
//!
//! One connection of the redeem listener comes from [`net`](crate::net) to [`connection`] (deadlines, closing), then to
//! [`redeem`] (the request), and, where it fails, to [`problem`], the only file that decides statuses, texts and
//! Retry-After.

mod connection;
#[cfg(fuzzing)]
pub mod fuzzing;
mod limits;
mod listener;
mod observe;
mod problem;
mod redeem;
mod request;
mod tls;

pub use self::{limits::Limits, listener::RedeemListener, observe::ObserveListener, tls::TlsError};

#[cfg(test)]
mod tests;
