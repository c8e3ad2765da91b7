//! Reloading of what changes on disk while the server runs: keys, certificates and the sites of the configuration file. Also
//! the renewal of a self-made certificate.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tracing::{error, info, warn};

use super::{
    admin_certificate::AdminCertificate,
    material::{self, IssuerSource},
    reconfigure::{Reconfigure, Reconfigured},
    signals::Hangup,
};
use crate::{
    app::{App, Replacement, chain},
    cli::{
        config::{IssuerFiles, ServeConfig, TlsFiles},
        data_dir::DataDir,
    },
    file,
    link::Host,
    metrics::{ReloadOutcome, Reloaded},
    pki::{Issuer, PkiError},
};

/// How often files are checked. Contents are compared and not dates, as a Kubernetes mount replaces a symbolic link two
/// levels up.
const INTERVAL: Duration = Duration::from_secs(5);

/// The origin of the serving certificate.
#[derive(Debug)]
pub(crate) enum ServingSource {
    /// Files that other programs renew.
    Given {
        /// The files.
        files: TlsFiles,
        /// How long a certificate is served further after one of another CA came.
        overlap: Duration,
    },
    /// A self-made certificate in the data directory, which this program renews.
    SelfMade {
        /// Its files.
        data_dir: DataDir,
        /// The hosts that it must cover.
        hosts: Vec<Host>,
    },
}

/// Where the certificates of the listeners come from.
pub(crate) struct ServingSources {
    /// Of the redeem listener.
    pub(super) redeem: ServingSource,
    /// Of the admin listener with TLS, if there is one.
    pub(super) admin: Option<AdminCertificate>,
}

/// Hashes of the watched files at the last check.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<PathBuf, u64>);

impl Seen {
    /// The present contents of all configured files.
    pub(crate) fn of(config: &ServeConfig) -> Self {
        let issuers = config.sites.iter().flat_map(|site| &site.issuers);
        let issuers = issuers.flat_map(|issuer| [&issuer.cert_file, &issuer.key_file]);
        let serving = config.tls.iter().flat_map(|files| [&files.cert_file, &files.key_file, &files.ca_file]);
        let mut seen = Self::default();
        for path in issuers.chain(serving).chain(&config.file) {
            seen.changed(path);
        }
        seen
    }

    /// Whether the contents of the file have changed since the last check. A file that cannot be read is checked again later.
    fn changed(&mut self, path: &Path) -> bool {
        let Ok(contents) = file::read(path) else { return false };
        let mut hasher = DefaultHasher::new();
        contents.hash(&mut hasher);
        let hash = hasher.finish();
        self.0.insert(path.to_owned(), hash) != Some(hash)
    }
}

/// Watches the loaded files, and loads changed ones again.
pub(crate) struct Refresher {
    app: Arc<App>,
    issuers: Vec<IssuerSource>,
    serving: ServingSources,
    reconfigure: Reconfigure,
    seen: Seen,
    /// Changed certificate files that could not be loaded. They are tried again at each check: a new certificate can be
    /// valid only from a few seconds later by this clock, or a file can be unreadable for a moment.
    pending: HashSet<PathBuf>,
}

impl Refresher {
    /// Watches files that were loaded after `seen` was read.
    pub(crate) fn new(
        app: Arc<App>,
        issuers: Vec<IssuerSource>,
        serving: ServingSources,
        reconfigure: Reconfigure,
        seen: Seen,
    ) -> Self {
        Self { app, issuers, serving, reconfigure, seen, pending: HashSet::new() }
    }

    /// Checks all files at intervals, and whenever SIGHUP comes, until cancelled. Reading is done on a thread that may block.
    pub(crate) async fn run(mut self, mut hangup: Hangup) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = ticks.tick() => false,
                () = hangup.received() => true,
            };
            let round = tokio::task::spawn_blocking(move || {
                self.refresh(asked);
                self
            });
            match round.await {
                Ok(refresher) => self = refresher,
                // The panic goes on in this task, which is supervised.
                Err(lost) => match lost.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime has shut down.
                    Err(_) => return,
                },
            }
            if asked {
                info!("SIGHUP: configuration, keys and certificates were checked");
            }
        }
    }

    /// Checks every file once; the configuration is read again if its file has changed, or if that was `asked` for.
    fn refresh(&mut self, asked: bool) {
        self.refresh_sites(asked);
        for source in self.issuers.clone() {
            let IssuerFiles { cert_file, key_file, .. } = &source.files;
            let files = [cert_file.as_path(), key_file];
            self.reload_if_changed(cert_file, &files, Reloaded::Issuer, |app| reload_issuer(app, &source));
        }
        match &self.serving.redeem {
            ServingSource::Given { files, overlap } => {
                let (files, overlap) = (files.clone(), *overlap);
                let TlsFiles { cert_file, key_file, ca_file } = &files;
                let all = [cert_file.as_path(), key_file, ca_file];
                let reload = |app: &App| reload_serving(app, &files, overlap);
                self.reload_if_changed(cert_file, &all, Reloaded::ServingCertificate, reload);
            }
            ServingSource::SelfMade { data_dir, hosts } => self.renew_serving(data_dir, hosts),
        }
        if let Some(admin) = &mut self.serving.admin {
            admin.renew_if_due(self.app.clock().now());
        }
        if self.app.publication().switch_if_due(self.app.clock().now()) {
            info!("the overlap is over: the serving certificate of the new CA is served");
            self.app.report_certificates();
        }
    }

    fn refresh_sites(&mut self, asked: bool) {
        let changed = self.reconfigure.file().is_some_and(|file| self.seen.changed(file));
        match self.reconfigure.check(&self.app, changed, asked) {
            Reconfigured::Sites(sources) => {
                // Files that are new here have not been seen, and are loaded once more in this round: they could have changed
                // since they were read.
                self.issuers = sources;
                self.app.metrics().reloaded(Reloaded::Configuration, ReloadOutcome::Loaded);
            }
            Reconfigured::Refused => self.app.metrics().reloaded(Reloaded::Configuration, ReloadOutcome::Refused),
            Reconfigured::Same => {}
        }
    }

    /// Loads these files if one of them has changed, or if the last load failed.
    fn reload_if_changed(
        &mut self,
        certificate: &Path,
        files: &[&Path],
        what: Reloaded,
        reload: impl FnOnce(&App) -> Result<(), PkiError>,
    ) {
        // Every file is checked, also after one that has changed, so that each change is noticed once.
        let changed = files.iter().filter(|path| self.seen.changed(path)).count() > 0;
        if !changed && !self.pending.contains(certificate) {
            return;
        }
        match reload(&self.app) {
            Ok(()) => {
                self.app.report_certificates();
                self.app.metrics().reloaded(what, ReloadOutcome::Loaded);
                self.pending.remove(certificate);
            }
            Err(fault) => {
                // Files of a pair change one after the other, so this may be temporary; it is logged once for each change.
                if changed {
                    self.app.metrics().reloaded(what, ReloadOutcome::Refused);
                    warn!(
                        file = %certificate.display(),
                        error = %chain(&fault),
                        "a changed file cannot be used, and the previous certificate and key stay in use; they are tried \
                         again until they can be"
                    );
                }
                self.pending.insert(certificate.to_owned());
            }
        }
    }

    fn renew_serving(&self, data_dir: &DataDir, hosts: &[Host]) {
        let now = self.app.clock().now();
        if !self.app.publication().serving().is_due(now) {
            return;
        }
        match material::self_made_serving(data_dir, hosts, now) {
            Ok(serving) => {
                info!(certificate.not_after = %serving.not_after(), "serving certificate renewed");
                // Of the same CA, so it takes over at once.
                self.app.publication().replace_serving(serving, now, Duration::ZERO);
                self.app.report_certificates();
            }
            Err(fault) => error!(error = %chain(&fault), "serving certificate not renewed"),
        }
    }
}

fn reload_issuer(app: &App, source: &IssuerSource) -> Result<(), PkiError> {
    let IssuerSource { namespace, files: IssuerFiles { name, cert_file, key_file } } = source;
    let issuer = Issuer::load(cert_file, key_file, app.clock().now())?;
    if let Some(site) = app.sites().of(namespace) {
        site.replace_issuer(name, issuer);
        info!(site.namespace = %namespace, issuer.name = %name, "issuer reloaded");
    }
    Ok(())
}

fn reload_serving(app: &App, files: &TlsFiles, overlap: Duration) -> Result<(), PkiError> {
    let now = app.clock().now();
    match app.publication().replace_serving(material::load_serving(files, now)?, now, overlap) {
        Replacement::AtOnce => info!("serving certificate reloaded"),
        Replacement::Later(at) => warn!(
            served.from = %at,
            "the serving certificate has a new CA, which tokens in circulation do not trust: the former certificate is served \
             until then, new tokens carry both CAs"
        ),
    }
    Ok(())
}
