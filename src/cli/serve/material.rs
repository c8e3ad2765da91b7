//! Keys and certificates: configured ones, and those that grantd makes itself.

use std::{io, path::Path, time::Duration};

use tracing::warn;

use super::error::ServeError;
use crate::{
    app::ConfiguredSite,
    cli::{
        config::{IssuerFiles, ServeConfig, SiteConfig, SiteEndpoints, TlsFiles},
        data_dir::{DataDir, PairFiles},
    },
    file::{self, Access, Existing, FileError},
    grant::{IssuerName, Namespace},
    link::{Endpoint, EndpointName, Group, Host, Site},
    pki::{self, CaKeyType, Issuer, PkiError, PrivateKeyPem, ServingIdentity},
    time::Timestamp,
};

/// How long a self-made serving certificate is valid; it is renewed after two thirds of that time.
const SERVING_VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);
/// The name of the redeem listener's own CA, as in Skupper (docs/protocol.md section 7).
const SERVER_CA_NAME: &str = "SkupperGrantServerCA";
/// The name of the CA of the admin API's TLS listener.
const ADMIN_CA_NAME: &str = "grantd admin CA";

/// The configured files, loaded and checked before any file is created.
pub(crate) struct Given {
    /// The issuers of each configured site, in the order of the configuration.
    issuers: Vec<SiteIssuers>,
    /// The serving certificate, if one was given.
    serving: Option<ServingIdentity>,
}

/// The files that an issuer was loaded from, to be watched for changes.
#[derive(Debug, Clone)]
pub(crate) struct IssuerSource {
    /// The site's namespace.
    pub(crate) namespace: Namespace,
    /// The issuer's name and files.
    pub(crate) files: IssuerFiles,
}

/// Sites with their issuers, and the files to be watched for changes.
pub(crate) struct Material {
    /// The sites.
    pub(crate) sites: Vec<ConfiguredSite>,
    /// The files of configured issuers.
    pub(crate) sources: Vec<IssuerSource>,
    /// The serving certificate, if one was given.
    pub(crate) serving: Option<ServingIdentity>,
}

/// Loads every configured file; all faults are reported together.
///
/// # Errors
/// [`ServeError::Files`] with a fault for each file that is wrong.
pub(crate) fn load_given(config: &ServeConfig, now: Timestamp) -> Result<Given, ServeError> {
    let (issuers, mut faults) = issuers_of(config, now);
    let mut keep = |fault| faults.push(fault);
    let serving = config.tls.as_ref().and_then(|files| load_serving(files, now).map_err(&mut keep).ok());
    if faults.is_empty() { Ok(Given { issuers, serving }) } else { Err(ServeError::Files(faults)) }
}

/// Loads the issuers of all sites alone.
///
/// # Errors
/// [`ServeError::Files`] with a fault for each file that is wrong.
pub(crate) fn load_issuers(config: &ServeConfig, now: Timestamp) -> Result<Given, ServeError> {
    let (issuers, faults) = issuers_of(config, now);
    if faults.is_empty() { Ok(Given { issuers, serving: None }) } else { Err(ServeError::Files(faults)) }
}

type SiteIssuers = Vec<(IssuerName, Issuer)>;

fn issuers_of(config: &ServeConfig, now: Timestamp) -> (Vec<SiteIssuers>, Vec<PkiError>) {
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
    (issuers, faults)
}

/// Loads a configured serving certificate.
///
/// # Errors
/// [`PkiError`] naming the file that is wrong.
pub(crate) fn load_serving(files: &TlsFiles, now: Timestamp) -> Result<ServingIdentity, PkiError> {
    ServingIdentity::load(&files.cert_file, &files.key_file, &files.ca_file, now)
}

impl Given {
    /// Makes the sites; one without a configured issuer gets a self-made one.
    ///
    /// # Errors
    /// [`ServeError`] when a self-made CA cannot be made, written or read back.
    pub(crate) fn into_sites(
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

/// The CA in these files, which is made if its certificate does not exist. [`write_pair`] writes the certificate last, so a
/// key without a certificate comes from an interrupted start and is replaced.
fn self_made_ca(files: &PairFiles, name: &str, key_type: CaKeyType, now: Timestamp) -> Result<Issuer, ServeError> {
    if !exists(&files.certificate) {
        let ca = pki::make_ca(name, key_type, now).map_err(ServeError::Make)?;
        write_pair(files, &ca.certificate_pem, &ca.key, &ca.certificate_pem)?;
    }
    if !exists(&files.key) {
        return Err(ServeError::Files(vec![PkiError::File(without_key(files))]));
    }
    Issuer::load(&files.certificate, &files.key, now).map_err(|fault| ServeError::Files(vec![fault]))
}

fn without_key(files: &PairFiles) -> FileError {
    let remedy = format!(
        "its key {} is missing: put the key back, or remove the certificate too; then a new CA is made, and certificates \
         that this one has signed are no longer accepted",
        files.key.display()
    );
    FileError {
        action: "use the CA",
        path: files.certificate.clone(),
        source: io::Error::new(io::ErrorKind::NotFound, remedy),
    }
}

/// The redeem listener's self-made certificate: the one on disk, or a new one if that is missing, due for renewal, or not for
/// exactly these hosts.
///
/// # Errors
/// [`ServeError`] when it cannot be made, written or read back.
pub(crate) fn self_made_serving(
    data_dir: &DataDir,
    hosts: &[Host],
    now: Timestamp,
) -> Result<ServingIdentity, ServeError> {
    let files = data_dir.server();
    if let Some(serving) = serving_on_disk(&files, hosts, now) {
        return Ok(serving);
    }
    let ca_files = data_dir.server_ca();
    let ca = self_made_ca(&ca_files, SERVER_CA_NAME, CaKeyType::EcdsaP256, now)?;
    make_serving((&ca_files, &ca), &files, hosts, SERVING_VALIDITY, now)
}

/// The certificate of the admin API's TLS listener, below the CA that its users' certificates come from.
///
/// The listener trusts that CA for clients, so the CA in its own directory decides: after it was removed or replaced, this
/// certificate is made again with the present CA, and client certificates of the old one are no longer accepted.
///
/// # Errors
/// [`ServeError`] when it cannot be made, written or read back, and when the CA has a certificate and no key.
pub(crate) fn admin_serving(data_dir: &DataDir, hosts: &[Host], now: Timestamp) -> Result<ServingIdentity, ServeError> {
    let (ca_files, files) = (DataDir::admin_ca_of(data_dir.path()), data_dir.admin());
    let ca = self_made_ca(&ca_files, ADMIN_CA_NAME, CaKeyType::EcdsaP256, now)?;
    if let Some(serving) = serving_on_disk(&files, hosts, now).filter(|serving| serving.ca_pem() == ca.ca_pem()) {
        return Ok(serving);
    }
    let former = file::read(&files.ca).ok().filter(|former| former.as_slice() != ca.ca_pem().as_bytes());
    let serving = make_serving((&ca_files, &ca), &files, hosts, SERVING_VALIDITY, now)?;
    if former.is_some() {
        warn!(ca.file = %ca_files.certificate.display(), "the admin CA is new; kubeconfigs that were made before no longer work");
    }
    Ok(serving)
}

/// A new certificate of the admin API's TLS listener, of the CA that it uses, which is `in_use`. `None` when the data directory
/// has another CA by now: that one is used from the next start on.
///
/// # Errors
/// [`ServeError`] when it cannot be made, written or read back, and when the CA cannot be read.
pub(crate) fn renewed_admin_serving(
    data_dir: &DataDir,
    hosts: &[Host],
    now: Timestamp,
    in_use: &str,
) -> Result<Option<ServingIdentity>, ServeError> {
    let ca_files = DataDir::admin_ca_of(data_dir.path());
    let ca = Issuer::load(&ca_files.certificate, &ca_files.key, now);
    let ca = ca.map_err(|fault| ServeError::Files(vec![fault]))?;
    if ca.ca_pem() != in_use {
        return Ok(None);
    }
    make_serving((&ca_files, &ca), &data_dir.admin(), hosts, SERVING_VALIDITY, now).map(Some)
}

/// The serving certificate in these files, if it is valid, is not due for renewal, and names these hosts and no others.
fn serving_on_disk(files: &PairFiles, hosts: &[Host], now: Timestamp) -> Option<ServingIdentity> {
    let on_disk = ServingIdentity::load(&files.certificate, &files.key, &files.ca, now).ok()?;
    (!on_disk.is_due(now) && on_disk.names_exactly(hosts)).then_some(on_disk)
}

/// Makes a serving certificate signed by a self-made CA, and writes it to these files.
fn make_serving(
    (ca_files, ca): (&PairFiles, &Issuer),
    files: &PairFiles,
    hosts: &[Host],
    validity: Duration,
    now: Timestamp,
) -> Result<ServingIdentity, ServeError> {
    let read = |path: &Path| file::read(path).map_err(ServeError::File);
    let (certificate, key) = (read(&ca_files.certificate)?, read(&ca_files.key)?);
    let (chain, serving_key) = pki::make_serving(&certificate, &key, hosts, now, validity).map_err(ServeError::Make)?;
    write_pair(files, &chain, &serving_key, ca.ca_pem())?;
    ServingIdentity::load(&files.certificate, &files.key, &files.ca, now)
        .map_err(|fault| ServeError::Files(vec![fault]))
}

/// Writes the key first and the certificate last, so that a certificate on disk always has its key.
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::time::Clock;

    struct Scratch(DataDir);

    impl Scratch {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("grantd-material-{}", uuid::Uuid::new_v4()));
            Self(DataDir::open(&path).unwrap())
        }

        fn serving(&self) -> Result<ServingIdentity, ServeError> {
            admin_serving(&self.0, &["localhost".parse().unwrap()], Clock::system().now())
        }

        /// The CA whose clients the listener accepts.
        fn trusted(&self) -> String {
            self.serving().unwrap().ca_pem().to_owned()
        }

        fn remove(&self, path: &str) {
            let path = self.0.path().join(path);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.path());
        }
    }

    #[test]
    fn the_admin_listener_trusts_the_ca_in_its_own_directory_and_no_former_one() {
        for removed in
            [&["admin-ca"][..], &["admin-ca/tls.crt"], &["admin-ca", "admin"], &["admin-ca", "admin/tls.key"]]
        {
            let scratch = Scratch::new();
            let before = scratch.trusted();
            assert_eq!(scratch.trusted(), before, "a restart changes nothing");
            removed.iter().for_each(|path| scratch.remove(path));

            let after = scratch.trusted();

            assert_ne!(after, before, "{removed:?}");
            let ca = fs::read_to_string(DataDir::admin_ca_of(scratch.0.path()).certificate).unwrap();
            assert_eq!(after, ca, "{removed:?}");
            assert_eq!(scratch.trusted(), after, "{removed:?}");
        }
    }

    #[test]
    fn without_its_serving_certificate_alone_the_admin_listener_trusts_the_same_ca() {
        for removed in ["admin", "admin/tls.crt", "admin/tls.key", "admin/ca.crt", "admin-ca/ca.crt"] {
            let scratch = Scratch::new();
            let before = scratch.trusted();
            scratch.remove(removed);
            assert_eq!(scratch.trusted(), before, "{removed}");
        }
    }

    #[test]
    fn an_admin_ca_without_its_key_is_refused_whatever_else_is_there() {
        for removed in [&["admin-ca/tls.key"][..], &["admin-ca/tls.key", "admin"]] {
            let scratch = Scratch::new();
            scratch.trusted();
            removed.iter().for_each(|path| scratch.remove(path));

            let ServeError::Files(faults) = scratch.serving().err().unwrap() else { panic!("{removed:?}") };

            let message = crate::app::chain(&faults[0]);
            for file in ["admin-ca/tls.crt", "admin-ca/tls.key"] {
                assert!(message.contains(scratch.0.path().join(file).to_str().unwrap()), "{message}");
            }
        }
    }

    #[test]
    fn a_replaced_admin_ca_is_the_one_that_is_trusted() {
        let (one, other) = (Scratch::new(), Scratch::new());
        one.trusted();
        let donated = other.trusted();
        for file in ["tls.crt", "tls.key"] {
            let path = |scratch: &Scratch| scratch.0.path().join("admin-ca").join(file);
            fs::copy(path(&other), path(&one)).unwrap();
        }
        assert_eq!(one.trusted(), donated);
    }
}
