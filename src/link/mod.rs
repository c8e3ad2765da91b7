//! Level 1: sites, endpoints, Links, and the documents that contain them. Pure: text in, values out, and back.

mod bundle;
mod document;
mod metadata;
mod resource;
mod secret;
mod site;
mod token;
mod url;
mod yaml;

pub use bundle::{Bundle, BundleParts, write_bundle};
pub use document::{DocumentError, MAX_DOCUMENT_BYTES, Position};
pub use metadata::ResourceName;
pub use resource::Link;
pub use secret::{KeyPem, TlsSecret, is_certificate_pem};
pub use site::{Endpoint, EndpointError, EndpointName, Group, Host, Port, Site};
pub use token::{AccessToken, CERTIFICATE_REQUEST};
pub use url::{PublicUrl, PublicUrlError};
