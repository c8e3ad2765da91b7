//! Level 4: the redeem door and the observe door. Sockets, TLS, limits, and what HTTP says about a redemption.

mod bind;
mod incoming;
mod observe;

pub use self::{bind::BindError, observe::ObserveDoor};
