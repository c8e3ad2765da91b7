//! The answer to a redemption: one Secret and its Links, as one YAML stream (docs/protocol.md section 2).

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    document::{DocumentError, Field, Fields, check_kinds, parse, text},
    metadata::{Metadata, ResourceName},
    resource::{LINK, Link, LinkParts, LinkSpec, read_link},
    secret::{Data, KeyPem, SECRET, SecretParts, TlsSecret, read_secret},
    site::{Endpoint, Site},
};
use crate::grant::LinkName;

/// The contents of a bundle that is written.
pub struct BundleParts<'a> {
    /// The name of the Secret, and of the Link or Links.
    pub name: &'a LinkName,
    /// The issuer's certificate, which the client is to trust.
    pub ca_pem: &'a str,
    /// The certificate that was issued.
    pub certificate_pem: &'a str,
    /// Its private key; absent when the client keeps its own.
    pub key: Option<&'a str>,
    /// The site to link to.
    pub site: &'a Site,
}

impl std::fmt::Debug for BundleParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleParts").field("name", self.name).field("site", &self.site.name).finish_non_exhaustive()
    }
}

/// Writes the answer to a redemption.
///
/// The Secret comes first, then one Link for each group of the site's endpoints, sorted by group: NAME when there is
/// one group, else NAME-1 to NAME-n (docs/protocol.md section 2.2). A site without endpoints gives no Link: refuse it
/// before.
///
/// Keeps to what the clients' decoders need (docs/protocol.md section 1.5): begins with exactly one `---`, no
/// namespace, every value from elsewhere in quotes.
pub fn write_bundle(parts: &BundleParts<'_>) -> Zeroizing<Vec<u8>> {
    let mut endpoints: Vec<&Endpoint> = parts.site.endpoints.iter().collect();
    // Stable: within a group, routers take the first of their kind in the order of the configuration.
    endpoints.sort_by(|a, b| a.group.cmp(&b.group));
    let groups = || endpoints.chunk_by(|a, b| a.group == b.group);

    let name = parts.name.as_str();
    let secret = SecretParts {
        name,
        namespace: None,
        ca_pem: parts.ca_pem,
        certificate_pem: parts.certificate_pem,
        key: parts.key,
    };
    let group_count = groups().count();
    let links_capacity = group_count * (160 + 2 * name.len())
        + endpoints.iter().map(|e| 80 + e.group.as_str().len() + e.host.as_str().len()).sum::<usize>();
    let mut yaml = String::with_capacity(secret.capacity() + links_capacity);
    let capacity = yaml.capacity();

    yaml.push_str("---\n");
    secret.push(&mut yaml);
    for (index, group) in groups().enumerate() {
        let numbered;
        let link_name = if group_count == 1 {
            name
        } else {
            numbered = format!("{name}-{}", index + 1);
            &numbered
        };
        yaml.push_str("---\n");
        LinkParts {
            name: link_name,
            namespace: None,
            cost: None,
            endpoints: group.iter().copied(),
            tls_credentials: name,
        }
        .push(&mut yaml);
    }
    debug_assert_eq!(yaml.capacity(), capacity, "a buffer that grows leaves a copy of the key behind");
    Zeroizing::new(yaml.into_bytes())
}

/// The answer to a redemption, read.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The credentials.
    pub secret: TlsSecret,
    /// At least one Link, all of which name the Secret.
    pub links: Vec<Link>,
}

#[derive(Deserialize)]
struct AnyDocument {
    metadata: Field<Metadata>,
    data: Field<Data>,
    spec: Field<LinkSpec>,
}

impl Bundle {
    /// Reads a bundle of at most [`MAX_DOCUMENT_BYTES`](super::MAX_DOCUMENT_BYTES), as YAML or as JSON documents in a
    /// YAML stream. Fields that this version does not know are ignored.
    ///
    /// # Errors
    /// [`DocumentError`] when anything is missing that a link needs, also when the end is.
    pub fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        Self::read_with(bytes, None)
    }

    /// Like [`read`](Self::read) when a certificate for `own_key` was asked for: then the bundle holds no key.
    ///
    /// # Errors
    /// [`DocumentError`], as for [`read`](Self::read).
    pub fn read_for(bytes: &[u8], own_key: &KeyPem) -> Result<Self, DocumentError> {
        Self::read_with(bytes, Some(own_key))
    }

    fn read_with(bytes: &[u8], own_key: Option<&KeyPem>) -> Result<Self, DocumentError> {
        let text = text(bytes)?;
        let positions = check_kinds(text, |index| if index == 0 { SECRET } else { LINK })?;
        let mut documents = positions.into_iter().zip(parse::<AnyDocument>(text)?);

        let (position, document) =
            documents.next().ok_or(DocumentError::Empty { expected: "a Secret and its Links" })?;
        let secret = read_secret(document.metadata, document.data, own_key, Fields { position })?;
        let links = documents
            .map(|(position, document)| {
                let link = read_link(document.metadata, document.spec, Fields { position })?;
                check_credentials(&link, &secret.name, Fields { position })?;
                Ok(link)
            })
            .collect::<Result<Vec<_>, DocumentError>>()?;
        check_names(&links, &secret.name)?;
        Ok(Self { secret, links })
    }
}

fn check_credentials(link: &Link, secret: &ResourceName, fields: Fields) -> Result<(), DocumentError> {
    if link.tls_credentials == *secret {
        return Ok(());
    }
    Err(DocumentError::Invalid {
        position: fields.position,
        field: "spec.tlsCredentials".to_owned(),
        expected: "must name the Secret of this bundle".to_owned(),
    })
}

/// Whether the Links are complete: a single one has the Secret's name, several have numbers without a gap.
fn check_names(links: &[Link], secret: &ResourceName) -> Result<(), DocumentError> {
    if links.is_empty() {
        return Err(DocumentError::CutShort { missing: "the Secret is there, but no Link" });
    }
    let named = |name: &str| links.iter().any(|link| link.name.as_str() == name);
    let complete = if links.len() == 1 {
        named(secret.as_str())
    } else {
        (1..=links.len()).all(|number| named(&format!("{secret}-{number}")))
    };
    if complete { Ok(()) } else { Err(DocumentError::CutShort { missing: "not all Links are there" }) }
}

#[cfg(test)]
mod tests;
