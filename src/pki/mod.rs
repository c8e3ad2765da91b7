//! Level 2: keys and certificates. Who may issue, what is issued, and what the redeem door shows.
//!
//! [`Issuer`] turns an admission into a [`ClientCredential`]; [`Profile`] says what that looks like. [`make_ca`] and
//! [`make_serving`] are for a grantd that brings its own CA; [`ServingIdentity`] is what TLS needs. [`AdminUser`] is who
//! comes to the admin door with a certificate.

mod admin_user;
mod authority;
mod certificate;
mod client_key;
mod der;
mod error;
mod issuer;
mod key;
mod leaf;
mod pem;
mod profile;
mod serving;
#[cfg(test)]
mod tests;

pub use admin_user::{
    AdminAccess, AdminScope, AdminUser, ParseAdminScopeError, ParseUserNameError, UserName, make_admin_user,
};
pub use authority::{CaKeyType, ParseCaKeyTypeError, SelfMadeCa, make_ca, make_serving};
pub use error::{CertificateFault, IssueError, IssuerFault, KeyFault, PemFault, PkiError, ServingFault};
pub use issuer::{ClientCredential, Issuer};
pub use pem::PrivateKeyPem;
pub use profile::{ClientKeyType, ParseClientKeyTypeError, Profile};
pub use serving::ServingIdentity;
