//! The sites and their issuers: those of the configuration, and those that were made through the API.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use uuid::Uuid;

use super::fnv1a::fnv1a;
use crate::{
    grant::{GrantName, IssuerName, Namespace},
    link::Site,
    pki::Issuer,
};

/// A site and the issuers that sign for it.
#[derive(Debug)]
pub struct ConfiguredSite {
    site: Site,
    default_issuer: IssuerName,
    /// Shared with the sites that were made through the API: an issuer is replaced for all of them at once.
    issuers: Arc<BTreeMap<IssuerName, RwLock<Arc<Issuer>>>>,
}

impl ConfiguredSite {
    /// A site whose grants are signed by `default_issuer` unless they name another of `issuers`.
    pub fn new(
        site: Site,
        default_issuer: IssuerName,
        issuers: impl IntoIterator<Item = (IssuerName, Issuer)>,
    ) -> Self {
        let issuers = issuers.into_iter().map(|(name, issuer)| (name, RwLock::new(Arc::new(issuer)))).collect();
        Self { site, default_issuer, issuers: Arc::new(issuers) }
    }

    /// Another site with the same issuers.
    pub(super) fn sharing_issuers(&self, site: Site, default_issuer: Option<IssuerName>) -> Self {
        let default_issuer = default_issuer.unwrap_or_else(|| self.default_issuer.clone());
        Self { site, default_issuer, issuers: Arc::clone(&self.issuers) }
    }

    /// The name and endpoints of the site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Its uid: a UUID of version 8 (RFC 9562 5.8) made of the namespace and the name, so that a site keeps it across
    /// restarts and servers.
    pub fn uid(&self) -> Uuid {
        let hash = fnv1a(format!("{}/{}", self.site.namespace, self.site.name).bytes());
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

    /// Why this site cannot accept links, if that is so.
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

/// Why no link to a site can be issued. The texts are Skupper's (docs/protocol.md section 1.2): they land in users'
/// status messages.
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

/// The configuration has two sites for one namespace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two sites are configured for namespace {0}")]
pub struct DuplicateSite(pub Namespace);

/// All sites, one for each namespace.
#[derive(Debug, Default)]
pub struct Sites {
    configured: RwLock<Configured>,
    applied: RwLock<BTreeMap<Namespace, Arc<ConfiguredSite>>>,
}

/// The sites of the configuration.
#[derive(Debug, Default)]
struct Configured {
    sites: BTreeMap<Namespace, Arc<ConfiguredSite>>,
    /// The one that was configured first.
    first: Option<Arc<ConfiguredSite>>,
}

impl Configured {
    fn new(sites: impl IntoIterator<Item = ConfiguredSite>) -> Result<Self, DuplicateSite> {
        let mut configured = Self::default();
        for site in sites.into_iter().map(Arc::new) {
            let namespace = site.site.namespace.clone();
            configured.first.get_or_insert_with(|| Arc::clone(&site));
            if configured.sites.insert(namespace.clone(), site).is_some() {
                return Err(DuplicateSite(namespace));
            }
        }
        Ok(configured)
    }
}

impl Sites {
    /// Takes the configured sites. Sites made through the API share the endpoints and issuers of the first of them.
    ///
    /// # Errors
    /// [`DuplicateSite`] when two share a namespace.
    pub fn new(sites: impl IntoIterator<Item = ConfiguredSite>) -> Result<Self, DuplicateSite> {
        Ok(Self { configured: RwLock::new(Configured::new(sites)?), applied: RwLock::default() })
    }

    /// Replaces the sites of the configuration, and forgets those that were made through the API: they are to be served again
    /// ([`App::replace_sites`](super::App::replace_sites)), as they share the endpoints and issuers of the first.
    ///
    /// # Errors
    /// [`DuplicateSite`]; then nothing was replaced.
    pub(super) fn replace_configured(
        &self,
        sites: impl IntoIterator<Item = ConfiguredSite>,
    ) -> Result<(), DuplicateSite> {
        let new = Configured::new(sites)?;
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// The site of this namespace.
    pub fn of(&self, namespace: &Namespace) -> Option<Arc<ConfiguredSite>> {
        let applied = || self.applied.read().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned();
        self.configured(namespace).or_else(applied)
    }

    /// The site that the configuration names for this namespace.
    pub fn configured(&self, namespace: &Namespace) -> Option<Arc<ConfiguredSite>> {
        self.read().sites.get(namespace).cloned()
    }

    /// Every configured site, by namespace.
    pub fn all_configured(&self) -> Vec<Arc<ConfiguredSite>> {
        self.read().sites.values().cloned().collect()
    }

    /// The namespaces that have a site.
    pub fn namespaces(&self) -> BTreeSet<Namespace> {
        let applied = self.applied.read().unwrap_or_else(PoisonError::into_inner);
        self.read().sites.keys().chain(applied.keys()).cloned().collect()
    }

    /// The site that was configured first. Those made through the API share its endpoints and issuers.
    pub(super) fn first_configured(&self) -> Option<Arc<ConfiguredSite>> {
        self.read().first.clone()
    }

    // A poisoned lock still holds whole sites: replacing them is one assignment.
    fn read(&self) -> RwLockReadGuard<'_, Configured> {
        self.configured.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the sites that were made through the API.
    pub(super) fn retire_all_applied(&self) {
        self.applied.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Serves a site that was made through the API from now on, and replaces an earlier one of its namespace.
    pub(super) fn serve_applied(&self, site: ConfiguredSite) {
        let namespace = site.site.namespace.clone();
        self.applied.write().unwrap_or_else(PoisonError::into_inner).insert(namespace, Arc::new(site));
    }

    /// Stops serving a site that was made through the API.
    pub(super) fn retire_applied(&self, namespace: &Namespace, name: &GrantName) {
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        if applied.get(namespace).is_some_and(|site| site.site.name == *name) {
            applied.remove(namespace);
        }
    }

    /// Every issuer of the configured sites, with its namespace and name.
    pub fn issuers(&self) -> Vec<(Namespace, IssuerName, Arc<Issuer>)> {
        let configured = self.read();
        let all = configured.sites.iter().flat_map(|(namespace, site)| {
            site.issuers
                .keys()
                .filter_map(move |name| Some((namespace.clone(), name.clone(), site.issuer(Some(name))?)))
        });
        all.collect()
    }

    /// The site and issuer that serve a grant of this namespace, in Skupper's order of faults
    /// (docs/protocol.md section 1.2).
    ///
    /// # Errors
    /// The first [`SiteFault`] that applies.
    pub fn serving(
        &self,
        namespace: &Namespace,
        issuer: Option<&IssuerName>,
    ) -> Result<(Arc<ConfiguredSite>, Arc<Issuer>), SiteFault> {
        let site = self.of(namespace).ok_or_else(|| SiteFault::NotDefined { namespace: namespace.clone() })?;
        let issuer = site.issuer(issuer).ok_or(SiteFault::NoIssuer)?;
        match site.fault() {
            None => Ok((site, issuer)),
            Some(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_the_same_uid_for_ever_and_no_other_site_has_it() {
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
