//! Level 2: keys and certificates: issuers, client certificates, and the redeem listener's serving certificate.
//!
//! [`Issuer`] signs a [`ClientCredential`] for an admission, with the contents that [`Profile`] gives, for a key pair that it
//! makes or for the key of a [`CertificateRequest`]. [`make_ca`] and
//! [`make_serving`] are for a grantd that makes its own CA; [`ServingIdentity`] is what a TLS listener needs. [`AdminUser`]
//! is the user that a client certificate of the admin API names.

mod admin_user;
mod authority;
mod certificate;
mod certificate_request;
mod client_key;
mod der;
mod error;
mod issuer;
mod key;
mod leaf;
mod pem;
mod profile;
mod router;
mod serving;
#[cfg(test)]
mod tests;

pub use admin_user::{
    AdminAccess, AdminCertificate, AdminScope, AdminSerial, AdminUser, ParseAdminScopeError, ParseAdminSerialError,
    ParseUserNameError, UserName, make_admin_user,
};
pub use authority::{CaKeyType, ParseCaKeyTypeError, SelfMadeCa, make_ca, make_serving};
pub use certificate_request::{CertificateRequest, RequestKey};
pub use error::{
    CertificateFault, CertificateRequestFault, IssueError, IssuerFault, KeyFault, PemFault, PkiError, ServingFault,
};
pub use issuer::{ClientCredential, Issuer, certificate_pem};
pub use pem::PrivateKeyPem;
pub use profile::{ClientKeyType, ParseClientKeyTypeError, Profile};
pub use router::RouterCertificate;
pub use serving::ServingIdentity;
