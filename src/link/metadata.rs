//! The name and the namespace of a document.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use super::document::{DocumentError, Field, Fields};
use crate::grant::{IssuerName, LinkName, NameError, Namespace};

/// The name of a Secret or Link as it came from elsewhere: a DNS-1123 subdomain of at most 253 bytes, so that it is
/// also safe as a part of a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName(String);

impl ResourceName {
    /// The most bytes such a name may have.
    pub const MAX_BYTES: usize = IssuerName::MAX_BYTES;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ResourceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // An issuer's name is the name of a Secret, so its rule is this one.
        text.parse::<IssuerName>()?;
        Ok(Self(text.to_owned()))
    }
}

impl From<&LinkName> for ResourceName {
    fn from(name: &LinkName) -> Self {
        Self(name.as_str().to_owned())
    }
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    name: Field<String>,
}

impl Metadata {
    /// The name of a document.
    pub(super) fn name<T: FromStr<Err = NameError>>(metadata: Field<Self>, fields: Fields) -> Result<T, DocumentError> {
        let name = metadata.and_then(|metadata| metadata.value.name);
        fields.value(name, "metadata.name", "the name of this document")
    }
}

/// Appends the metadata; a name such as `no` or `1e3` is a valid one, hence the quotes.
pub(super) fn push_metadata(yaml: &mut String, name: &str, namespace: Option<&Namespace>) {
    yaml.push_str("metadata:\n  name: \"");
    yaml.push_str(name);
    if let Some(namespace) = namespace {
        yaml.push_str("\"\n  namespace: \"");
        yaml.push_str(namespace.as_str());
    }
    yaml.push_str("\"\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_name_is_safe_in_a_file_name() {
        assert!("a".repeat(253).parse::<ResourceName>().is_ok());
        for name in ["", ".", "..", "../a", "a/b", "A", &"a".repeat(254)] {
            assert!(name.parse::<ResourceName>().is_err(), "{name}");
        }
    }
}
