//! Level 4: the other side of the doors: redeeming a token, and talking to the admin door.

mod admin;
mod exchange;
mod redeem;
mod redeem_error;
mod target;
mod trust;

pub use admin::{AdminClient, AdminError, AdminMethod, Form, Lines, Status, StatusCause};
pub use redeem::{RedeemOptions, redeem};
pub use redeem_error::{RedeemTokenError, Step, TlsFault};
