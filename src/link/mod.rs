//! Level 1: sites, endpoints, Links, and the documents they travel in. Pure: text in, values out, and back.

mod site;
mod url;

pub use site::{Endpoint, EndpointError, EndpointName, Group, Host, Port, Site};
pub use url::{PublicUrl, PublicUrlError};
