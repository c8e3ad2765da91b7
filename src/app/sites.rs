//! The configured sites and their issuers.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use uuid::Uuid;

use super::{App, fingerprint};
use crate::{
    grant::{IssuerName, Namespace},
    link::Site,
    pki::Issuer,
    store::{ObjectKind, ObjectQuery, StoreError},
};

/// A site and the issuers that sign for it.
#[derive(Debug)]
pub struct ConfiguredSite {
    site: Site,
    default_issuer: IssuerName,
    issuers: BTreeMap<IssuerName, RwLock<Arc<Issuer>>>,
}

impl ConfiguredSite {
    /// A site whose grants are signed by `default_issuer` unless they name another of `issuers`.
    pub fn new(
        site: Site,
        default_issuer: IssuerName,
        issuers: impl IntoIterator<Item = (IssuerName, Issuer)>,
    ) -> Self {
        let issuers = issuers.into_iter().map(|(name, issuer)| (name, RwLock::new(Arc::new(issuer)))).collect();
        Self { site, default_issuer, issuers }
    }

    /// Where its links lead.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Its uid: a UUID of version 8 (RFC 9562 5.8) made of the namespace and the name, so that a site keeps it across
    /// restarts and servers.
    pub fn uid(&self) -> Uuid {
        let hash = fingerprint(format!("{}/{}", self.site.namespace, self.site.name).bytes());
        uuid::Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid()
    }

    /// The issuer of grants that name none.
    pub fn default_issuer(&self) -> &IssuerName {
        &self.default_issuer
    }

    /// The issuer of this name, or the default one.
    pub fn issuer(&self, name: Option<&IssuerName>) -> Option<Arc<Issuer>> {
        let slot = self.issuers.get(name.unwrap_or(&self.default_issuer))?;
        // A poisoned lock still holds a whole Arc: replacing it is one assignment.
        Some(Arc::clone(&slot.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Signs with another key from the next redemption on. An issuer that is not configured is not added.
    pub fn replace_issuer(&self, name: &IssuerName, issuer: Issuer) {
        if let Some(slot) = self.issuers.get(name) {
            *slot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(issuer);
        }
    }

    /// What keeps this site from accepting links, if anything does.
    pub fn fault(&self) -> Option<SiteFault> {
        if self.site.edge {
            Some(SiteFault::Edge)
        } else if self.site.endpoints.is_empty() {
            Some(SiteFault::NoEndpoints)
        } else {
            None
        }
    }
}

/// Why no link to a site can be issued. The texts are Skupper's (protocol.md 1.2): they land in users' status messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteFault {
    /// No site is configured for the namespace.
    #[error("Site not yet defined for {namespace}")]
    NotDefined {
        /// The grant's namespace.
        namespace: Namespace,
    },
    /// The grant names an issuer that the site does not have.
    #[error("Could not get issuer for requested certificate")]
    NoIssuer,
    /// An edge site.
    #[error("Edge sites cannot accept incoming links from remote sites")]
    Edge,
    /// A site without endpoints.
    #[error("No valid endpoints found for site")]
    NoEndpoints,
}

/// Two sites were configured for one namespace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two sites are configured for namespace {0}")]
pub struct DuplicateSite(pub Namespace);

/// All configured sites, one for each namespace.
#[derive(Debug, Default)]
pub struct Sites(BTreeMap<Namespace, ConfiguredSite>);

impl Sites {
    /// Takes the configured sites.
    ///
    /// # Errors
    /// [`DuplicateSite`] when two share a namespace.
    pub fn new(sites: impl IntoIterator<Item = ConfiguredSite>) -> Result<Self, DuplicateSite> {
        let mut by_namespace = BTreeMap::new();
        for site in sites {
            let namespace = site.site.namespace.clone();
            if by_namespace.insert(namespace.clone(), site).is_some() {
                return Err(DuplicateSite(namespace));
            }
        }
        Ok(Self(by_namespace))
    }

    /// The site of this namespace.
    pub fn of(&self, namespace: &Namespace) -> Option<&ConfiguredSite> {
        self.0.get(namespace)
    }

    /// Every site, by namespace.
    pub fn iter(&self) -> impl Iterator<Item = &ConfiguredSite> {
        self.0.values()
    }

    /// Every issuer, with its namespace and name.
    pub fn issuers(&self) -> impl Iterator<Item = (&Namespace, &IssuerName, Arc<Issuer>)> {
        self.0.iter().flat_map(|(namespace, site)| {
            site.issuers.keys().filter_map(move |name| Some((namespace, name, site.issuer(Some(name))?)))
        })
    }

    /// The site and issuer that serve a grant of this namespace, in Skupper's order of faults (protocol.md 1.2).
    ///
    /// # Errors
    /// The first [`SiteFault`] that applies.
    pub fn serving(
        &self,
        namespace: &Namespace,
        issuer: Option<&IssuerName>,
    ) -> Result<(&ConfiguredSite, Arc<Issuer>), SiteFault> {
        let site = self.of(namespace).ok_or_else(|| SiteFault::NotDefined { namespace: namespace.clone() })?;
        let issuer = site.issuer(issuer).ok_or(SiteFault::NoIssuer)?;
        site.fault().map_or(Ok((site, issuer)), Err)
    }
}

impl App {
    /// The uid of the site of this namespace: the configured one, or else the first that was made through the API.
    ///
    /// # Errors
    /// What the store says.
    pub async fn site_uid(&self, namespace: &Namespace) -> Result<Option<Uuid>, StoreError> {
        if let Some(site) = self.sites().of(namespace) {
            return Ok(Some(site.uid()));
        }
        let query = ObjectQuery { kind: ObjectKind::Site, namespace: Some(namespace.clone()), after: None, limit: 1 };
        Ok(self.objects(query).await?.objects.first().map(|site| site.uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_the_same_uid_for_ever_and_another_one_has_another() {
        let site = |namespace: &str| {
            let site = Site {
                namespace: namespace.parse().unwrap(),
                name: "my-site".parse().unwrap(),
                edge: false,
                endpoints: Vec::new(),
            };
            ConfiguredSite::new(site, "ca".parse().unwrap(), [])
        };
        assert_eq!(site("west").uid().to_string(), "72f8f2af-f443-86fa-88c2-fe90cc22b067");
        assert_ne!(site("west").uid(), site("east").uid());
    }
}
