//! Level 4: the redeem door and the observe door. Sockets, TLS, limits, and what HTTP says about a redemption.
//!
//! One connection of the redeem door goes through [`listener`] (permits), [`connection`] (handshake, deadlines, closing),
//! [`redeem`] (the request), and, where it fails, [`problem`], the only file that knows statuses and texts.

mod connection;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handshake_place;
mod limits;
mod listener;
mod observe;
mod problem;
mod redeem;
mod request;
mod tls;

pub use self::{
    limits::Limits,
    listener::{Drained, RedeemDoor},
    observe::ObserveDoor,
    tls::TlsError,
};

#[cfg(test)]
mod tests;
