//! Keys and certificates: those that were given, and those that grantd makes itself.

use std::{path::Path, time::Duration};

use super::ServeError;
use crate::{
    app::ConfiguredSite,
    cli::{
        config::{IssuerFiles, ServeConfig, SiteConfig, SiteEndpoints, TlsFiles},
        data_dir::{DataDir, PairFiles},
    },
    file::{self, Access, Existing},
    grant::{IssuerName, Namespace},
    link::{Endpoint, EndpointName, Group, Host, Site},
    pki::{self, CaKeyType, Issuer, PkiError, PrivateKeyPem, ServingIdentity},
    time::Timestamp,
};

/// How long a self-made serving certificate is valid; it is renewed at two thirds.
const SERVING_VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long the admin door's certificate is valid: longer, as it is renewed at a start only.
const ADMIN_VALIDITY: Duration = Duration::from_secs(5 * 365 * 24 * 3600);
/// What the redeem door's own CA is called, as in Skupper (protocol.md 7).
const SERVER_CA_NAME: &str = "SkupperGrantServerCA";
/// What the admin door's own CA is called.
const ADMIN_CA_NAME: &str = "grantd admin CA";

/// What the configuration names, loaded and checked, before anything is created.
pub struct Given {
    /// For each configured site its issuers, in order.
    issuers: Vec<Vec<(IssuerName, Issuer)>>,
    /// The serving certificate, if one was given.
    serving: Option<ServingIdentity>,
}

/// Where an issuer was loaded from, to be watched.
#[derive(Debug, Clone)]
pub struct IssuerSource {
    /// The site's namespace.
    pub namespace: Namespace,
    /// The issuer's name and files.
    pub files: IssuerFiles,
}

/// Sites with their issuers, and what of it is to be watched.
pub struct Material {
    /// The sites.
    pub sites: Vec<ConfiguredSite>,
    /// The files of issuers that were given.
    pub sources: Vec<IssuerSource>,
    /// The serving certificate, if one was given.
    pub serving: Option<ServingIdentity>,
}

/// Loads every file the configuration names; all faults are told at once.
///
/// # Errors
/// [`ServeError::Files`] with a fault for each file that is wrong.
pub fn load_given(config: &ServeConfig, now: Timestamp) -> Result<Given, ServeError> {
    let mut faults: Vec<PkiError> = Vec::new();
    let mut keep = |fault| faults.push(fault);
    let mut issuers = Vec::new();
    for site in &config.sites {
        let mut of_site = Vec::new();
        for issuer in &site.issuers {
            match Issuer::load(&issuer.cert_file, &issuer.key_file, now) {
                Ok(loaded) => of_site.push((issuer.name.clone(), loaded)),
                Err(fault) => keep(fault),
            }
        }
        issuers.push(of_site);
    }
    let serving = config.tls.as_ref().and_then(|files| load_serving(files, now).map_err(&mut keep).ok());
    if faults.is_empty() { Ok(Given { issuers, serving }) } else { Err(ServeError::Files(faults)) }
}

/// Loads a serving certificate that was given.
///
/// # Errors
/// [`PkiError`] naming the file that is wrong.
pub fn load_serving(files: &TlsFiles, now: Timestamp) -> Result<ServingIdentity, PkiError> {
    ServingIdentity::load(&files.cert_file, &files.key_file, &files.ca_file, now)
}

impl Given {
    /// Puts the sites together; a site that was given no issuer gets a self-made one.
    ///
    /// # Errors
    /// [`ServeError`] when a self-made CA cannot be made, written or read back.
    pub fn into_sites(
        self,
        config: &ServeConfig,
        data_dir: &DataDir,
        reachable_at: &Host,
        now: Timestamp,
    ) -> Result<Material, ServeError> {
        let mut sites = Vec::new();
        let mut sources = Vec::new();
        for (site, mut issuers) in config.sites.iter().zip(self.issuers) {
            let watched =
                |files: &IssuerFiles| IssuerSource { namespace: site.namespace.clone(), files: files.clone() };
            sources.extend(site.issuers.iter().map(watched));
            if issuers.is_empty() {
                let files = data_dir.issuer(&site.namespace, &site.default_issuer);
                let common_name = format!("{} site CA", site.name);
                let issuer = self_made_ca(&files, &common_name, config.ca_key_type, now)?;
                issuers.push((site.default_issuer.clone(), issuer));
            }
            let endpoints = endpoints_of(site, reachable_at);
            let known = Site { namespace: site.namespace.clone(), name: site.name.clone(), edge: site.edge, endpoints };
            sites.push(ConfiguredSite::new(known, site.default_issuer.clone(), issuers));
        }
        Ok(Material { sites, sources, serving: self.serving })
    }
}

fn endpoints_of(site: &SiteConfig, reachable_at: &Host) -> Vec<Endpoint> {
    match &site.endpoints {
        SiteEndpoints::Listed(endpoints) => endpoints.clone(),
        SiteEndpoints::OnThisHost { inter_router, edge } => {
            let endpoint = |name, port| Endpoint { group: Group::default(), name, host: reachable_at.clone(), port };
            vec![endpoint(EndpointName::InterRouter, *inter_router), endpoint(EndpointName::Edge, *edge)]
        }
    }
}

/// The CA in these files, made first if there is none.
fn self_made_ca(files: &PairFiles, name: &str, key_type: CaKeyType, now: Timestamp) -> Result<Issuer, ServeError> {
    if !exists(&files.certificate) {
        let ca = pki::make_ca(name, key_type, now).map_err(ServeError::Make)?;
        write_pair(files, &ca.certificate_pem, &ca.key, &ca.certificate_pem)?;
    }
    Issuer::load(&files.certificate, &files.key, now).map_err(|fault| ServeError::Files(vec![fault]))
}

/// The redeem door's own certificate: the one on disk, or a new one when that is missing, due, or not for these hosts.
///
/// # Errors
/// [`ServeError`] when it cannot be made, written or read back.
pub fn self_made_serving(data_dir: &DataDir, hosts: &[Host], now: Timestamp) -> Result<ServingIdentity, ServeError> {
    let ca = (&data_dir.server_ca(), SERVER_CA_NAME);
    serving_below(ca, &data_dir.server(), hosts, SERVING_VALIDITY, now)
}

/// The admin door's certificate, below the CA that its users' certificates come from. As [`self_made_serving`].
///
/// # Errors
/// [`ServeError`] when it cannot be made, written or read back.
pub fn admin_serving(data_dir: &DataDir, hosts: &[Host], now: Timestamp) -> Result<ServingIdentity, ServeError> {
    let ca = (&DataDir::admin_ca_of(data_dir.path()), ADMIN_CA_NAME);
    serving_below(ca, &data_dir.admin(), hosts, ADMIN_VALIDITY, now)
}

/// A certificate of ours below a CA of ours.
fn serving_below(
    (ca_files, ca_name): (&PairFiles, &str),
    files: &PairFiles,
    hosts: &[Host],
    validity: Duration,
    now: Timestamp,
) -> Result<ServingIdentity, ServeError> {
    if exists(&files.certificate) {
        let fits = |serving: &ServingIdentity| !serving.is_due(now) && hosts.iter().all(|host| serving.covers(host));
        let on_disk = ServingIdentity::load(&files.certificate, &files.key, &files.ca, now).ok();
        if let Some(serving) = on_disk.filter(fits) {
            return Ok(serving);
        }
    }
    let ca = self_made_ca(ca_files, ca_name, CaKeyType::EcdsaP256, now)?;
    let read = |path: &Path| file::read(path).map_err(ServeError::File);
    let (certificate, key) = (read(&ca_files.certificate)?, read(&ca_files.key)?);
    let (chain, serving_key) = pki::make_serving(&certificate, &key, hosts, now, validity).map_err(ServeError::Make)?;
    write_pair(files, &chain, &serving_key, ca.ca_pem())?;
    ServingIdentity::load(&files.certificate, &files.key, &files.ca, now)
        .map_err(|fault| ServeError::Files(vec![fault]))
}

/// The key first and the certificate last: a pair is there when its certificate is.
fn write_pair(files: &PairFiles, certificate: &str, key: &PrivateKeyPem, ca: &str) -> Result<(), ServeError> {
    let write = |path: &Path, text: &str, access| {
        file::write(path, text.as_bytes(), access, Existing::Replace).map_err(ServeError::File)
    };
    if let Some(directory) = files.certificate.parent() {
        file::create_private_directory(directory).map_err(ServeError::File)?;
    }
    write(&files.key, key.expose(), Access::Private)?;
    write(&files.ca, ca, Access::Public)?;
    write(&files.certificate, certificate, Access::Public)
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
