//! The configuration file, read again while the server runs: its sites are taken up, other settings need a restart.

use std::{path::Path, sync::Arc};

use tokio::runtime::Handle;
use tracing::{error, info, warn};

use super::material::{self, IssuerSource, Material};
use crate::{
    app::{App, chain},
    cli::{
        config::{ConfigError, ServeConfig},
        data_dir::DataDir,
    },
    grant::Namespace,
};

/// Reads the configuration as it was read at the start: with the same flags and environment.
pub(crate) type ReadConfig = Arc<dyn Fn() -> Result<ServeConfig, ConfigError> + Send + Sync>;

/// What it takes to read the configuration again.
pub(crate) struct Reconfigure {
    read: ReadConfig,
    data_dir: DataDir,
    /// The configuration as it was read last.
    config: ServeConfig,
    /// The site configuration that is in use differs from the file, as the file was refused.
    is_behind: bool,
}

/// What became of a configuration that was read again.
pub(crate) enum Reconfigured {
    /// Its sites are in use, with issuers from these files.
    Sites(Vec<IssuerSource>),
    /// It cannot be used; the former sites stay.
    Refused,
    /// It has the sites that are in use.
    Same,
}

impl Reconfigure {
    /// Starts with the configuration that the server was built from.
    pub(crate) fn new(read: ReadConfig, data_dir: DataDir, config: ServeConfig) -> Self {
        Self { read, data_dir, config, is_behind: false }
    }

    /// The configuration file.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.config.file.as_deref()
    }

    /// Reads the configuration and takes up its sites: when its file has `changed`, when that was `asked` for, and, without a
    /// word, when the last one was refused. For a thread that may block.
    pub(crate) fn check(&mut self, app: &App, changed: bool, asked: bool) -> Reconfigured {
        let is_news = changed || asked;
        if self.config.file.is_none() || !(is_news || self.is_behind) {
            return Reconfigured::Same;
        }
        let taken_up = (self.read)().map_err(|fault| fault.to_string()).and_then(|new| self.take_up(app, new));
        self.is_behind = taken_up.is_err();
        match taken_up {
            Ok(reconfigured) => reconfigured,
            Err(fault) if is_news => {
                let file = self.config.file.as_deref().map(Path::display);
                error!(
                    file = file.map(tracing::field::display),
                    error = fault,
                    "the changed configuration cannot be used, and the previous sites stay in use; correct it"
                );
                Reconfigured::Refused
            }
            Err(_) => Reconfigured::Same,
        }
    }

    fn take_up(&mut self, app: &App, new: ServeConfig) -> Result<Reconfigured, String> {
        let mut reconfigured = Reconfigured::Same;
        if new.sites != self.config.sites {
            let now = app.clock().now();
            let given = material::load_issuers(&new, now).map_err(|fault| chain(&fault))?;
            let reachable_at = app.publication().url().host().clone();
            let material = given.into_sites(&new, &self.data_dir, &reachable_at, now).map_err(|fault| chain(&fault))?;
            let Material { sites, sources, .. } = material;
            Handle::current().block_on(app.replace_sites(sites)).map_err(|fault| chain(&fault))?;
            log_changes(&self.config, &new);
            reconfigured = Reconfigured::Sites(sources);
        }
        // Not before: a configuration that is refused is tried again at each check.
        let needs_restart = settings_that_differ(&self.config, &new);
        if !needs_restart.is_empty() {
            warn!(
                settings = needs_restart.join(", "),
                "settings of the configuration have changed that take effect when the server is started again"
            );
        }
        self.config = new;
        Ok(reconfigured)
    }
}

/// Logs which sites were added, changed and removed.
fn log_changes(old: &ServeConfig, new: &ServeConfig) {
    for site in &new.sites {
        let (namespace, name) = (&site.namespace, &site.name);
        match old.sites.iter().find(|former| former.namespace == site.namespace) {
            None => info!(site.namespace = %namespace, site.name = %name, "site added"),
            Some(former) if former != site => info!(site.namespace = %namespace, site.name = %name, "site changed"),
            Some(_) => {}
        }
    }
    let is_gone = |namespace: &Namespace| new.sites.iter().all(|site| site.namespace != *namespace);
    for former in old.sites.iter().filter(|former| is_gone(&former.namespace)) {
        info!(site.namespace = %former.namespace, site.name = %former.name, "site removed");
    }
}

/// The names, as in the file, of settings besides `sites` that differ.
fn settings_that_differ(old: &ServeConfig, new: &ServeConfig) -> Vec<&'static str> {
    // Named one by one, so that a new setting is not forgotten here.
    let ServeConfig {
        file: _,
        data_dir,
        database,
        listen,
        observe_listen,
        admin_listen,
        proxy_protocol_from,
        public_url,
        tls,
        ca_overlap,
        client_key_type,
        ca_key_type,
        certificate_validity,
        retention,
        retry_window,
        disk_reserve,
        quota,
        log_format,
        log_filter,
        limits,
        sites: _,
    } = old;
    let all = [
        ("dataDir", *data_dir != new.data_dir),
        ("database", *database != new.database),
        ("listen", *listen != new.listen),
        ("observeListen", *observe_listen != new.observe_listen),
        ("adminListen", *admin_listen != new.admin_listen),
        ("proxyProtocolFrom", *proxy_protocol_from != new.proxy_protocol_from),
        ("publicUrl", *public_url != new.public_url),
        ("tls", *tls != new.tls),
        ("caOverlap", *ca_overlap != new.ca_overlap),
        ("clientKeyType", *client_key_type != new.client_key_type),
        ("caKeyType", *ca_key_type != new.ca_key_type),
        ("certificateValidity", *certificate_validity != new.certificate_validity),
        ("retention", *retention != new.retention),
        ("retryWindow", *retry_window != new.retry_window),
        ("diskReserveBytes", *disk_reserve != new.disk_reserve),
        ("maxObjectsPerNamespace", quota.objects != new.quota.objects),
        ("maxBytesPerNamespace", quota.bytes != new.quota.bytes),
        ("logFormat", *log_format != new.log_format),
        ("log", *log_filter != new.log_filter),
        ("limits or drainTimeout", *limits != new.limits),
    ];
    all.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
