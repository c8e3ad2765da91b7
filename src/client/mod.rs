//! Level 4: clients: redeeming a token, probing a link, and the admin API.

mod admin;
mod admin_error;
mod check;
mod dial;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http_response;
mod lookup;
mod probe;
mod redeem;
mod redeem_error;
mod redeemer;
mod router_name;
mod router_trust;
#[cfg(test)]
mod tls_server;
mod token_url;
mod trust;

pub use admin::{AdminClient, AdminMethod, Form, Lines};
pub use admin_error::{AdminError, Status, StatusCause};
pub use check::{CheckedToken, GrantAnswer, check};
pub use probe::NetworkProber;
pub use redeem::{RedeemOptions, redeem};
pub use redeem_error::{RedeemTokenError, Step, TlsFault};
pub use redeemer::NetworkRedeemer;
