//! Level 2: keys and certificates. Who may issue, what is issued, and what the redeem door shows.

mod certificate;
mod client_key;
mod der;
mod error;
mod issuer;
mod key;
mod leaf;
mod pem;
mod profile;

pub use error::{CertificateFault, IssueError, IssuerFault, KeyFault, PemFault, PkiError, ServingFault};
pub use pem::PrivateKeyPem;
pub use profile::{ClientKeyType, ParseClientKeyTypeError, Profile};
pub use issuer::{ClientCredential, Issuer};
