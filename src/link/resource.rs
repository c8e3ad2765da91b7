//! The Link: where a router connects to, and with which credentials.

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::{
    document::{DocumentError, Field, Fields, Kind, invalid, parse_one},
    metadata::{Metadata, ResourceName, push_metadata},
    site::Endpoint,
};
use crate::grant::Namespace;

/// A Link (docs/protocol.md section 4.4): one group of endpoints of the other site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name, which the router's connector gets too.
    pub name: ResourceName,
    /// Where the other site's router listens; a router takes the first of its own kind.
    pub endpoints: Vec<Endpoint>,
    /// The Secret to connect with.
    pub tls_credentials: ResourceName,
    /// What traffic over this link costs; absent for the default, 1.
    pub cost: Option<u32>,
}

#[derive(Deserialize)]
struct LinkDocument {
    metadata: Field<Metadata>,
    spec: Field<LinkSpec>,
}

impl Link {
    /// Reads one Link of at most [`MAX_DOCUMENT_BYTES`](super::MAX_DOCUMENT_BYTES), as YAML or JSON.
    /// Fields that this version does not know are ignored.
    ///
    /// # Errors
    /// [`DocumentError`], with the line and what was expected there.
    pub fn read(text: &str) -> Result<Self, DocumentError> {
        let (position, document) = parse_one::<LinkDocument>(text, LINK)?;
        read_link(document.metadata, document.spec, Fields { position })
    }

    /// The document as a site without Kubernetes keeps it in `input/resources/Link-NAME.yaml`
    /// (docs/protocol.md section 6.4).
    ///
    /// `namespace` is written only when the user named one.
    pub fn write(&self, namespace: Option<&Namespace>) -> String {
        let parts = LinkParts {
            name: self.name.as_str(),
            namespace,
            cost: self.cost,
            endpoints: self.endpoints.iter(),
            tls_credentials: self.tls_credentials.as_str(),
        };
        let mut yaml = String::with_capacity(512);
        parts.push(&mut yaml);
        yaml
    }
}

/// The contents of a Link document that is written.
pub(super) struct LinkParts<'a, E> {
    pub(super) name: &'a str,
    pub(super) namespace: Option<&'a Namespace>,
    pub(super) cost: Option<u32>,
    pub(super) endpoints: E,
    pub(super) tls_credentials: &'a str,
}

impl<'a, E: Iterator<Item = &'a Endpoint>> LinkParts<'a, E> {
    /// Appends the document: keys sorted, every value from elsewhere in quotes. Hosts, ports, groups and names hold
    /// nothing that would need an escape; a port without quotes is a number, which some readers refuse.
    pub(super) fn push(self, yaml: &mut String) {
        use std::fmt::Write as _;
        yaml.push_str("apiVersion: skupper.io/v2alpha1\nkind: Link\n");
        push_metadata(yaml, self.name, self.namespace);
        yaml.push_str("spec:\n");
        if let Some(cost) = self.cost {
            // Writing to a String cannot fail; the same goes for the next one.
            let _ = writeln!(yaml, "  cost: {cost}");
        }
        yaml.push_str("  endpoints:\n");
        for Endpoint { group, name, host, port } in self.endpoints {
            yaml.push_str("  - group: \"");
            yaml.push_str(group.as_str());
            yaml.push_str("\"\n    host: \"");
            yaml.push_str(host.as_str());
            yaml.push_str("\"\n    name: ");
            yaml.push_str(name.as_str());
            let _ = writeln!(yaml, "\n    port: \"{port}\"");
        }
        yaml.push_str("  tlsCredentials: \"");
        yaml.push_str(self.tls_credentials);
        yaml.push_str("\"\n");
    }
}

pub(super) const LINK: Kind =
    Kind { api_version: "skupper.io/v2alpha1", kind: "Link", title: "a Link (skupper.io/v2alpha1)" };

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkSpec {
    cost: Field<String>,
    endpoints: Field<Vec<EndpointFields>>,
    tls_credentials: Field<String>,
}

#[derive(Deserialize)]
struct EndpointFields {
    group: Field<String>,
    host: Field<String>,
    name: Field<String>,
    port: Field<String>,
}

/// Takes a Link out of its document.
pub(super) fn read_link(
    metadata: Field<Metadata>,
    spec: Field<LinkSpec>,
    fields: Fields,
) -> Result<Link, DocumentError> {
    let name = Metadata::name(metadata, fields)?;
    let spec = fields.need(spec, "spec", "the endpoints and tlsCredentials of the Link")?.value;
    let listed = fields.need(spec.endpoints, "spec.endpoints", ENDPOINTS)?.value;
    if listed.is_empty() {
        return Err(fields.missing("spec.endpoints", ENDPOINTS));
    }
    let endpoints = listed.into_iter().enumerate().map(|(index, endpoint)| read_endpoint(endpoint, index, fields));
    Ok(Link {
        name,
        endpoints: endpoints.collect::<Result<_, _>>()?,
        tls_credentials: fields.value(spec.tls_credentials, "spec.tlsCredentials", "the name of a Secret")?,
        cost: read_cost(spec.cost, "spec.cost")?,
    })
}

const ENDPOINTS: &str = "a list of endpoints, each with name, host and port";

fn read_endpoint(endpoint: EndpointFields, index: usize, fields: Fields) -> Result<Endpoint, DocumentError> {
    let field = |name: &str| format!("spec.endpoints[{index}].{name}");
    Ok(Endpoint {
        // Sites without Kubernetes write none (docs/protocol.md section 6.2).
        group: fields.value(endpoint.group.or_else(absent), &field("group"), "a text")?,
        name: fields.value(endpoint.name, &field("name"), "'inter-router' or 'edge'")?,
        host: fields.value(endpoint.host, &field("host"), "a host name or an IP address")?,
        port: fields.value(endpoint.port, &field("port"), "a port")?,
    })
}

fn absent() -> Field<String> {
    Some(Spanned::new(String::new(), Location::UNKNOWN, Location::UNKNOWN))
}

/// A link's cost; 0 means the default, as in Skupper.
pub(super) fn read_cost(cost: Field<String>, name: &str) -> Result<Option<u32>, DocumentError> {
    let Some(cost) = cost else { return Ok(None) };
    match cost.value.parse::<u32>() {
        Ok(0) => Ok(None),
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(invalid(&cost, name, "must be a whole number, 0 or more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_panics(text in "(apiVersion: skupper.io/v2alpha1\nkind: Link\n)?.{0,80}") {
            let _ = Link::read(&text);
        }
    }

    #[test]
    fn a_file_of_a_link_has_its_namespace_and_cost_when_they_were_given() {
        let endpoint = Endpoint {
            group: "skupper-router".parse().unwrap(),
            name: "edge".parse().unwrap(),
            host: "10.1.1.1".parse().unwrap(),
            port: 45671.try_into().unwrap(),
        };
        let mut link = Link {
            name: "no-1".parse().unwrap(),
            endpoints: vec![endpoint],
            tls_credentials: "no".parse().unwrap(),
            cost: Some(7),
        };

        assert_eq!(Link::read(&link.write(None)), Ok(link.clone()));
        assert_eq!(
            link.write(Some(&"west".parse().unwrap())),
            r#"apiVersion: skupper.io/v2alpha1
kind: Link
metadata:
  name: "no-1"
  namespace: "west"
spec:
  cost: 7
  endpoints:
  - group: "skupper-router"
    host: "10.1.1.1"
    name: edge
    port: "45671"
  tlsCredentials: "no"
"#
        );
        link.cost = None;
        assert_eq!(Link::read(&link.write(Some(&"west".parse().unwrap()))), Ok(link.clone()));
        assert!(!link.write(None).contains("cost") && !link.write(None).contains("namespace"));
    }
}
