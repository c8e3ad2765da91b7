//! Level 4: the other side of the doors: redeeming a token, probing a link, and talking to the admin door.

mod admin;
mod dial;
mod exchange;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod probe;
mod redeem;
mod redeem_error;
mod redeemer;
mod router_name;
mod router_trust;
mod target;
#[cfg(test)]
mod tls_server;
mod trust;

pub use admin::{AdminClient, AdminError, AdminMethod, Form, Lines, Status, StatusCause};
pub use probe::NetworkProber;
pub use redeem::{RedeemOptions, redeem};
pub use redeem_error::{RedeemTokenError, Step, TlsFault};
pub use redeemer::NetworkRedeemer;
