//! Sites that were made through the API: they share the endpoints and issuers of the site that was configured first.

use std::{panic::resume_unwind, sync::Arc};

use serde_json::{Map, Value};
use tokio::task::JoinError;
use tracing::warn;
use uuid::Uuid;

use super::{
    chain::chain,
    objects::{self, SiteRefusal, WriteObjectError},
    service::App,
    sites::{ConfiguredSite, DuplicateSite, Sites},
};
use crate::{
    grant::{IssuerName, Namespace},
    link::Site,
    store::{
        ObjectKey, ObjectKind, ObjectQuery, ObjectWrite, PageLimit, StoreError, StoreFailure, StoredObject,
        WriteObjectsError,
    },
};

impl App {
    /// The uid of the site of this namespace: the configured one, or else the first that was made through the API.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn site_uid(&self, namespace: &Namespace) -> Result<Option<Uuid>, StoreError> {
        if let Some(site) = self.sites().configured(namespace) {
            return Ok(Some(site.uid()));
        }
        let (namespace, limit) = (Some(namespace.clone()), PageLimit::at_most(1));
        let query = ObjectQuery { kind: ObjectKind::Site, namespace, after: None, limit };
        Ok(self.objects(query).await?.objects.first().map(|site| site.uid))
    }

    /// Serves the sites that were made through the API and are stored; to be called once, before the listeners open.
    ///
    /// # Errors
    /// The [`StoreError`] of the store.
    pub async fn load_sites(&self) -> Result<(), StoreError> {
        let mut query = ObjectQuery { kind: ObjectKind::Site, namespace: None, after: None, limit: PageLimit::FULL };
        loop {
            let page = self.objects(query.clone()).await?;
            for corrupt in page.corrupt {
                let fault = StoreError::from(corrupt);
                warn!(error = %chain(&fault), "a site that was made through the API is not served");
            }
            page.objects.iter().for_each(|site| self.sites().serve(site));
            query.after = page.next;
            if query.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Replaces the sites of the configuration: redemptions that have begun end with the former ones. Those that were made
    /// through the API are served with the endpoints and issuers of the new first one.
    ///
    /// # Errors
    /// [`ReplaceSitesError`]; with [`ReplaceSitesError::Store`] the new sites are in use, and some that were made through the
    /// API may not be served until this is called again.
    pub async fn replace_sites(&self, sites: Vec<ConfiguredSite>) -> Result<(), ReplaceSitesError> {
        // No site is made through the API meanwhile.
        let _turn = self.site_writes.lock().await;
        // The sites change their state, so they need a version that is later than any that a client has seen.
        let revision = self.store.advance().await.map_err(ReplaceSitesError::Store)?;
        self.sites.replace_configured(sites).map_err(ReplaceSitesError::Duplicate)?;
        self.sites.retire_all_applied();
        self.configuration_loaded(revision);
        self.report_certificates();
        self.load_sites().await.map_err(ReplaceSitesError::Store)
    }

    /// Writes a site that is made through the API, and serves it as it is from then on.
    ///
    /// To drop the future is safe: a site whose write has begun is served as it was written.
    ///
    /// # Errors
    /// [`WriteObjectError`]; then nothing was changed.
    pub(super) async fn write_site(&self, write: ObjectWrite) -> Result<Option<StoredObject>, WriteObjectError> {
        // One after the other: what is served must be what was written last, and a namespace has one site.
        let turn = Arc::clone(&self.site_writes).lock_owned().await;
        self.check_place(&write).await?;
        let (store, metrics, sites) = (Arc::clone(&self.store), Arc::clone(&self.metrics), Arc::clone(&self.sites));
        // On a task of its own, which a client that hangs up does not end: a site that is deleted must not go on issuing,
        // and the next write must not begin before this one is served.
        let writing = tokio::spawn(async move {
            let _turn = turn;
            let (key, removes) = (write.key().clone(), matches!(write, ObjectWrite::Delete { .. }));
            let written = objects::write(&*store, &metrics, vec![write]).await?.pop();
            match &written {
                Some(site) if !removes => sites.serve(site),
                Some(_) | None => sites.retire(&key),
            }
            Ok(written)
        });
        writing.await.unwrap_or_else(|fault| Err(not_finished(fault))).map_err(WriteObjectError::Object)
    }

    pub(super) async fn check_place(&self, write: &ObjectWrite) -> Result<(), WriteObjectError> {
        let (key, is_new) = (write.key(), matches!(write, ObjectWrite::Create { .. }));
        let namespace = key.namespace.clone();
        if let Some(configured) = self.sites().configured(&namespace) {
            let name = configured.site().name.to_string();
            // A site that was made before the configuration named another one can still be changed and removed.
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
}

/// Why the sites of the configuration were not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceSitesError {
    /// Two sites share a namespace.
    #[error(transparent)]
    Duplicate(DuplicateSite),
    /// The store did not answer.
    #[error(transparent)]
    Store(StoreError),
}

/// A task ends without its result when it panics, which goes on here, or when the whole program ends.
fn not_finished(fault: JoinError) -> WriteObjectsError {
    match fault.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => {
            let (action, source) = ("write a site", StoreFailure::Closed);
            WriteObjectsError::Store(StoreError::Unavailable { action, source })
        }
    }
}

impl Sites {
    /// From now on the site is found, unless the configuration has another one for its namespace.
    fn serve(&self, stored: &StoredObject) {
        let StoredObject { key, content, .. } = stored;
        if let Some(configured) = self.configured(&key.namespace) {
            let (namespace, other) = (&key.namespace, &configured.site().name);
            warn!(%namespace, site = %key.name, %other, "the configuration has another site for this namespace");
            return;
        }
        if let Some(site) = self.first_configured().and_then(|first| applied_site(&first, key, &content.body)) {
            self.serve_applied(site);
        }
    }

    /// From now on the site of this key is not found.
    fn retire(&self, key: &ObjectKey) {
        if let Ok(name) = key.name.as_str().parse() {
            self.retire_applied(&key.namespace, &name);
        }
    }
}

/// Whether links are to lead to the site with this body: `linkAccess` is there, and not `none`
/// (docs/protocol.md section 4.5).
pub fn wants_link_access(body: &Map<String, Value>) -> bool {
    let access = body.get("spec").and_then(|spec| spec.get("linkAccess")).and_then(Value::as_str);
    access.is_some_and(|access| !["", "none"].contains(&access))
}

/// The site of this object, with the endpoints and issuers of the site that was configured `first`; `None` when the
/// object's name is not a site's.
fn applied_site(first: &ConfiguredSite, key: &ObjectKey, body: &Map<String, Value>) -> Option<ConfiguredSite> {
    let spec = body.get("spec").unwrap_or(&Value::Null);
    let issuer: Option<IssuerName> = spec["defaultIssuer"].as_str().and_then(|name| name.parse().ok());
    let endpoints = if wants_link_access(body) { first.site().endpoints.clone() } else { Vec::new() };
    let site = Site {
        namespace: key.namespace.clone(),
        name: key.name.as_str().parse().ok()?,
        edge: spec["edge"].as_bool().unwrap_or_default(),
        endpoints,
    };
    Some(first.sharing_issuers(site, issuer))
}
