//! What a grant is subject to, as its operator wrote it.

use super::{name::IssuerName, window::ExpirationWindow};

/// The fields of an AccessGrant's spec that are stored as they are given and that an operator may replace.
///
/// Not among them are those whose value follows from more than the spec: the redemptions allowed (with those made, an
/// [`Allowance`](super::Allowance)), the code (generated when absent), and the settings (sealed, in
/// [`GrantMetadata`](super::GrantMetadata)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantTerms {
    /// `spec.issuer`: which of the site's issuers signs; the site's default when absent.
    pub issuer: Option<IssuerName>,
    /// `spec.expirationWindow`; it sets the grant's `expires_at` at its creation, and has no effect later.
    pub window: ExpirationWindow,
}
