//! Sites that were made through the API: they share the endpoints and issuers of the site that was configured first.

use serde_json::{Map, Value};
use tracing::warn;

use super::{App, ConfiguredSite, WriteObjectError, chain};
use crate::{
    grant::{IssuerName, Namespace},
    link::{ResourceName, Site},
    store::{ObjectKey, ObjectKind, ObjectQuery, ObjectWrite, PageLimit, StoreError, StoredObject, WriteObjectsError},
};

/// Why a namespace cannot have a site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteRefusal {
    /// The configuration has a site of that name or namespace, and it alone can change that.
    #[error("namespace {namespace} has the site {name} of the server's configuration, which cannot be changed here")]
    Configured {
        /// The namespace.
        namespace: Namespace,
        /// The site's name.
        name: String,
    },
    /// A namespace has one site.
    #[error("namespace {namespace} has a site already, {name}: there is one site a namespace")]
    AnotherOne {
        /// The namespace.
        namespace: Namespace,
        /// The site's name.
        name: ResourceName,
    },
}

impl App {
    /// Takes the sites that were made through the API into service; to be called once, before the doors open.
    ///
    /// # Errors
    /// What the store says.
    pub async fn load_sites(&self) -> Result<(), StoreError> {
        let mut query = ObjectQuery { kind: ObjectKind::Site, namespace: None, after: None, limit: PageLimit::FULL };
        loop {
            let page = self.objects(query.clone()).await?;
            for corrupt in page.corrupt {
                let fault = StoreError::from(corrupt);
                warn!(error = %chain(&fault), "a site that was made through the API is not served");
            }
            page.objects.iter().for_each(|site| self.serve(site));
            query.after = page.next;
            if query.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Writes a site that is made through the API, and serves it as it is from then on.
    ///
    /// # Errors
    /// [`WriteObjectError`]; then nothing was changed.
    pub(super) async fn write_site(&self, write: ObjectWrite) -> Result<Option<StoredObject>, WriteObjectError> {
        // One after the other: what is served must be what was written last, and a namespace has one site.
        let _turn = self.site_writes.lock().await;
        self.check_place(&write).await?;
        let (key, removes) = (write.key().clone(), matches!(write, ObjectWrite::Delete { .. }));
        let written = self.write_objects(vec![write]).await.map_err(WriteObjectError::Object)?.pop();
        match &written {
            Some(site) if !removes => self.serve(site),
            Some(_) | None => {
                if let Ok(name) = key.name.as_str().parse() {
                    self.sites().retire_applied(&key.namespace, &name);
                }
            }
        }
        Ok(written)
    }

    async fn check_place(&self, write: &ObjectWrite) -> Result<(), WriteObjectError> {
        let (key, is_new) = (write.key(), matches!(write, ObjectWrite::Create { .. }));
        let namespace = key.namespace.clone();
        if let Some(configured) = self.sites().configured(&namespace) {
            let name = configured.site().name.to_string();
            // What was made before the configuration named another can still be removed.
            return if is_new || name == key.name.as_str() {
                Err(SiteRefusal::Configured { namespace, name }.into())
            } else {
                Ok(())
            };
        }
        if !is_new {
            return Ok(());
        }
        let limit = PageLimit::at_most(2);
        let query = ObjectQuery { kind: key.kind, namespace: Some(namespace.clone()), after: None, limit };
        let page = self.objects(query).await;
        let page = page.map_err(|error| WriteObjectError::Object(WriteObjectsError::Store(error)))?;
        match page.objects.into_iter().find(|site| site.key.name != key.name) {
            Some(other) => Err(SiteRefusal::AnotherOne { namespace, name: other.key.name }.into()),
            None => Ok(()),
        }
    }

    /// From now on the site is found, unless the configuration has another one for its namespace.
    fn serve(&self, stored: &StoredObject) {
        let StoredObject { key, content, .. } = stored;
        if let Some(configured) = self.sites().configured(&key.namespace) {
            let (namespace, other) = (&key.namespace, &configured.site().name);
            warn!(%namespace, site = %key.name, %other, "the configuration has another site for this namespace");
            return;
        }
        if let Some(site) = self.sites().lender().and_then(|lender| lent(lender, key, &content.body)) {
            self.sites().serve_applied(site);
        }
    }
}

/// Whether links are to lead to the site with this body: `linkAccess` is there, and not `none` (protocol.md 4.5).
pub fn wants_link_access(body: &Map<String, Value>) -> bool {
    let access = body.get("spec").and_then(|spec| spec.get("linkAccess")).and_then(Value::as_str);
    access.is_some_and(|access| !["", "none"].contains(&access))
}

/// The site with the endpoints and issuers that it is lent; `None` when its name is none.
fn lent(lender: &ConfiguredSite, key: &ObjectKey, body: &Map<String, Value>) -> Option<ConfiguredSite> {
    let spec = body.get("spec").unwrap_or(&Value::Null);
    let issuer: Option<IssuerName> = spec["defaultIssuer"].as_str().and_then(|name| name.parse().ok());
    let endpoints = if wants_link_access(body) { lender.site().endpoints.clone() } else { Vec::new() };
    let site = Site {
        namespace: key.namespace.clone(),
        name: key.name.as_str().parse().ok()?,
        edge: spec["edge"].as_bool().unwrap_or_default(),
        endpoints,
    };
    Some(lender.sharing_issuers(site, issuer))
}
