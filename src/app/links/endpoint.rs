//! The spec of a Link as it is stored: where to connect, and with which Secret.

use serde_json::Value;

use crate::{
    grant::NameError,
    link::{Endpoint, EndpointError, EndpointName, ResourceName},
    store::StoredObject,
};

/// Why a Link leads nowhere.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::app) enum SpecFault {
    /// No list, or none of the two kinds that routers connect to.
    #[error("spec.endpoints has neither an inter-router nor an edge endpoint")]
    NoEndpoint,
    /// An endpoint with an invalid field.
    #[error("spec.endpoints[{index}].{field} {fault}")]
    Endpoint {
        /// The index in the list, from 0.
        index: usize,
        /// The field of the endpoint.
        field: &'static str,
        /// What is wrong with it.
        fault: EndpointError,
    },
    /// The name of the Secret is missing.
    #[error("spec.tlsCredentials must be the name of a Secret")]
    NoCredentials,
    /// The text is not a name.
    #[error("spec.tlsCredentials {0}")]
    Credentials(NameError),
}

/// The endpoint that an interior router would take, or else the one for edge routers (docs/protocol.md section 2.3);
/// and the Secret.
///
/// # Errors
/// The first [`SpecFault`].
pub(in crate::app) fn choose(stored: &StoredObject) -> Result<(Endpoint, ResourceName), SpecFault> {
    let spec = stored.content.body.get("spec").unwrap_or(&Value::Null);
    let listed = spec["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |name: EndpointName| {
        let found = listed.iter().enumerate().find(|(_, endpoint)| endpoint["name"] == name.as_str())?;
        Some((found, name))
    };
    let chosen = of(EndpointName::InterRouter).or_else(|| of(EndpointName::Edge)).ok_or(SpecFault::NoEndpoint)?;
    let ((index, endpoint), name) = chosen;
    let bad = |field: &'static str| move |fault| SpecFault::Endpoint { index, field, fault };
    let text = |field: &str| endpoint[field].as_str().unwrap_or_default();
    // Some clients write the port as a number.
    let port = endpoint["port"].as_u64().map(|port| port.to_string());
    let endpoint = Endpoint {
        name,
        host: text("host").parse().map_err(bad("host"))?,
        port: port.as_deref().unwrap_or_else(|| text("port")).parse().map_err(bad("port"))?,
        group: text("group").parse().map_err(bad("group"))?,
    };
    let secret = spec["tlsCredentials"].as_str().filter(|name| !name.is_empty()).ok_or(SpecFault::NoCredentials)?;
    Ok((endpoint, secret.parse().map_err(SpecFault::Credentials)?))
}
