//! Keys and certificates that change on disk, or grow old, while the server runs.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tracing::{error, info, warn};

use super::{
    DataDir,
    material::{self, IssuerSource},
};
use crate::{
    app::App,
    cli::{chain, config::TlsFiles},
    file,
    link::Host,
    pki::Issuer,
};

/// How often files are looked at. Contents are compared, not dates: a Kubernetes mount swaps a symlink two levels up.
const INTERVAL: Duration = Duration::from_secs(5);

/// Where the serving certificate comes from.
#[derive(Debug)]
pub enum ServingSource {
    /// From files that somebody else renews.
    Given(TlsFiles),
    /// From the data directory, renewed here.
    SelfMade {
        /// Where it lies.
        data_dir: DataDir,
        /// What it must cover.
        hosts: Vec<Host>,
    },
}

/// Watches what was loaded and loads it again.
pub struct Refresher {
    app: Arc<App>,
    issuers: Vec<IssuerSource>,
    serving: ServingSource,
    seen: HashMap<PathBuf, u64>,
}

impl Refresher {
    /// Takes what is on disk now as what was loaded.
    pub fn new(app: Arc<App>, issuers: Vec<IssuerSource>, serving: ServingSource) -> Self {
        let mut refresher = Self { app, issuers, serving, seen: HashMap::new() };
        for path in refresher.watched() {
            refresher.has_changed(&path);
        }
        refresher
    }

    /// Looks at everything from time to time, until cancelled. File work is done where it may block.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let round = tokio::task::spawn_blocking(move || {
                self.refresh();
                self
            });
            match round.await {
                Ok(refresher) => self = refresher,
                Err(lost) => {
                    error!(error = %lost, "certificates are no longer watched; restart the server");
                    return;
                }
            }
        }
    }

    fn watched(&self) -> Vec<PathBuf> {
        let issuers =
            self.issuers.iter().flat_map(|source| [source.files.certificate.clone(), source.files.key.clone()]);
        let serving = match &self.serving {
            ServingSource::Given(files) => vec![files.cert_file.clone(), files.key_file.clone(), files.ca_file.clone()],
            ServingSource::SelfMade { .. } => Vec::new(),
        };
        issuers.chain(serving).collect()
    }

    fn refresh(&mut self) {
        for source in self.issuers.clone() {
            let changed = [&source.files.certificate, &source.files.key].map(|path| self.has_changed(path));
            if changed.contains(&true) {
                self.reload_issuer(&source);
            }
        }
        match &self.serving {
            ServingSource::Given(files) => {
                let files = files.clone();
                let changed = [&files.cert_file, &files.key_file, &files.ca_file].map(|path| self.has_changed(path));
                if changed.contains(&true) {
                    self.reload_serving(&files);
                }
            }
            ServingSource::SelfMade { data_dir, hosts } => self.renew_serving(data_dir, hosts),
        }
    }

    /// Whether the file's contents differ from those seen last; a file that cannot be read now is looked at again later.
    fn has_changed(&mut self, path: &Path) -> bool {
        let Ok(contents) = file::read(path) else { return false };
        let mut hasher = DefaultHasher::new();
        contents.hash(&mut hasher);
        let hash = hasher.finish();
        self.seen.insert(path.to_owned(), hash) != Some(hash)
    }

    fn reload_issuer(&self, source: &IssuerSource) {
        let loaded = Issuer::load(&source.files.certificate, &source.files.key, self.app.clock().now());
        match (loaded, self.app.sites().of(&source.namespace)) {
            (Ok(issuer), Some(site)) => {
                site.replace_issuer(&source.name, issuer);
                self.app.report_certificates();
                info!(site.namespace = %source.namespace, issuer.name = %source.name, "issuer reloaded");
            }
            // The two files change one after the other; the second change brings us here again.
            (Err(fault), _) => {
                warn!(issuer.name = %source.name, error = %chain(&fault), "changed issuer not loaded; the old one stays");
            }
            (Ok(_), None) => {}
        }
    }

    fn reload_serving(&self, files: &TlsFiles) {
        match material::load_serving(files, self.app.clock().now()) {
            Ok(serving) => {
                self.app.publication().replace_serving(serving);
                self.app.report_certificates();
                info!("serving certificate reloaded");
            }
            Err(fault) => warn!(error = %chain(&fault), "changed serving certificate not loaded; the old one stays"),
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
                self.app.publication().replace_serving(serving);
                self.app.report_certificates();
            }
            Err(fault) => error!(error = %chain(&fault), "serving certificate not renewed"),
        }
    }
}
