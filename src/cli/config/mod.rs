//! The configuration of `grantd serve`: flags, environment and file become a [`ServeConfig`], or a list of all faults.
//!
//! Flags win over the environment, the environment over the file, the file over the defaults.

mod database;
mod fault;
mod sites;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod values;

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ArgMatches;
pub(crate) use database::{DatabaseConfig, PostgresConfig};
use fault::Faults;
pub(crate) use fault::{Fault, Origin};
use serde_saphyr::{Spanned, UserMessageFormatter};
pub(crate) use sites::{IssuerFiles, SiteConfig, SiteEndpoints};
use source::Sources;
use tree::{Table, Value};
use values::{duration, networks, number, path, socket_address};

use super::{
    data_dir::{NO_DATA_DIR, default_data_dir},
    telemetry::{LogFilter, LogFormat},
};
use crate::{
    file,
    http::Limits,
    link::PublicUrl,
    net::Network,
    pki::{CaKeyType, ClientKeyType},
    store::Quota,
};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
/// Ten years of 365 days: longer than a link should be used, and too short to overflow any clock.
const LONGEST: Duration = Duration::from_secs(87_600 * 3600);
/// Space for the log of the database, which takes 16 MiB after a burst, and some 50,000 redemptions beside it.
const DISK_RESERVE: u64 = 64 * 1024 * 1024;

/// The settings of `grantd serve`, each of which is valid. Files are not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServeConfig {
    /// The configuration file, if one was given.
    pub(crate) file: Option<PathBuf>,
    /// The directory of database, keys and admin socket; it is made if it does not exist.
    pub(crate) data_dir: PathBuf,
    /// Where the store is.
    pub(crate) database: DatabaseConfig,
    /// The address of the redeem listener.
    pub(crate) listen: SocketAddr,
    /// The address of the observe listener.
    pub(crate) observe_listen: SocketAddr,
    /// The address of the admin API over TLS; `None` to serve it on the Unix socket only.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The networks of load balancers whose connections to the redeem listener begin with a PROXY header.
    pub(crate) proxy_protocol_from: Vec<Network>,
    /// The URL in tokens; `None` for the first name or address of this host with the redeem listener's port.
    pub(crate) public_url: Option<PublicUrl>,
    /// The files of the serving certificate; `None` for a self-made one.
    pub(crate) tls: Option<TlsFiles>,
    /// How long the former serving certificate is served after one of another CA came.
    pub(crate) ca_overlap: Duration,
    /// The type of the keys of issued certificates.
    pub(crate) client_key_type: ClientKeyType,
    /// The type of the keys of self-made CAs.
    pub(crate) ca_key_type: CaKeyType,
    /// How long issued certificates are valid, 1 hour to 10 years.
    pub(crate) certificate_validity: Duration,
    /// How long an expired or used-up grant stays visible before it is removed. Its ledger rows stay for ever.
    pub(crate) retention: Duration,
    /// The bytes of the disk that are kept for redemptions.
    pub(crate) disk_reserve: u64,
    /// For how long after a redemption the same name and subject is answered again uncounted; zero for never.
    pub(crate) retry_window: Duration,
    /// How much each namespace may store.
    pub(crate) quota: Quota,
    /// The format of log lines.
    pub(crate) log_format: LogFormat,
    /// The filter for log lines.
    pub(crate) log_filter: LogFilter,
    /// The limits of the redeem listener.
    pub(crate) limits: Limits,
    /// The sites: at least one, and no two in the same namespace.
    pub(crate) sites: Vec<SiteConfig>,
}

/// The files of the serving certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The certificate and its chain, PEM.
    pub(crate) cert_file: PathBuf,
    /// Its key, PEM.
    pub(crate) key_file: PathBuf,
    /// The CA that tokens carry, PEM.
    pub(crate) ca_file: PathBuf,
}

/// All faults of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.report())]
pub(crate) struct ConfigError {
    /// The configuration file, if one was given.
    pub(crate) file: Option<PathBuf>,
    /// The faults, at least one: first those of flags and environment, then those of the file.
    pub(crate) faults: Vec<Fault>,
}

impl ConfigError {
    fn report(&self) -> String {
        let line = |fault: &Fault| match (&fault.origin, &self.file) {
            (Origin::Field { .. }, Some(file)) => format!("\n  {}, {fault}", file.display()),
            _ => format!("\n  {fault}"),
        };
        let count = match self.faults.len() {
            1 => "a fault".to_owned(),
            many => format!("{many} faults"),
        };
        format!("the configuration has {count}:{}", self.faults.iter().map(line).collect::<String>())
    }
}

/// The environment that a configuration depends on besides arguments and file; tests replace it.
pub(crate) struct Surroundings<'a> {
    /// Returns the environment variable of this name.
    pub(crate) environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// The system's name for this host.
    pub(crate) host_name: String,
}

/// Makes the configuration from the arguments of `grantd serve`, the environment, and the configuration file.
///
/// # Errors
/// [`ConfigError`] with all faults.
pub(crate) fn resolve(flags: &ArgMatches, surroundings: &Surroundings<'_>) -> Result<ServeConfig, ConfigError> {
    let mut faults = Faults::default();
    let environment = |name: &str| (surroundings.environment)(name).map(|text| text.to_string_lossy().into_owned());
    let mut sources = Sources { flags, environment: &environment, file: Table::default() };
    let file = sources.given("config").map(|setting| PathBuf::from(setting.text));
    if let Some(file) = &file {
        sources.file = read_file(file, &mut faults);
    }
    let config = build(&mut sources, file.as_deref(), surroundings, &mut faults);
    std::mem::take(&mut sources.file).finish(&mut faults);
    match config {
        Some(config) if faults.0.is_empty() => Ok(ServeConfig { file, ..config }),
        Some(_) | None => Err(ConfigError { file, faults: faults.0 }),
    }
}

fn read_file(path: &Path, faults: &mut Faults) -> Table {
    let bytes = match file::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            faults.add(Origin::File, format!("{error}: {}", error.source));
            return Table::default();
        }
    };
    // Errors must not quote the file: it may contain a secret by mistake, and errors are logged.
    let options = serde_saphyr::options! { with_snippet: false };
    match serde_saphyr::from_slice_with_options::<Spanned<Value>>(&bytes, options) {
        Ok(value) => Table::root(value, faults),
        Err(error) => {
            // The formatter for users, as the other messages mention options of the library.
            let error = error.render_with_formatter(&UserMessageFormatter);
            faults.add(Origin::File, format!("{} is not YAML: {error}", path.display()));
            Table::default()
        }
    }
}

/// Reads every setting, also after a fault in another one. Returns `None` only after adding a fault.
fn build(
    s: &mut Sources<'_>,
    file: Option<&Path>,
    surroundings: &Surroundings<'_>,
    faults: &mut Faults,
) -> Option<ServeConfig> {
    let default_listen = SocketAddr::from(([0, 0, 0, 0], 9090));
    let default_observe = SocketAddr::from(([127, 0, 0, 1], 9091));
    let listen = s.value("listen", "listen", default_listen, faults, socket_address);
    let observe_listen = s.value("observe_listen", "observeListen", default_observe, faults, socket_address);
    if listen == observe_listen && listen.port() != 0 {
        let origin =
            s.given("observe_listen").map_or(Origin::Flag("--observe-listen".to_owned()), |given| given.origin);
        faults.add(origin, format!("must differ from --listen; both are {listen}"));
    }
    let admin_listen = s.optional("admin_listen", "adminListen", faults, socket_address);
    if let Some(admin) = admin_listen.filter(|admin| [listen, observe_listen].contains(admin) && admin.port() != 0) {
        let origin = s.given("admin_listen").map_or(Origin::Flag("--admin-listen".to_owned()), |given| given.origin);
        faults.add(origin, format!("must differ from the other listeners; another one is {admin} too"));
    }
    let data_dir = s.optional("data_dir", "dataDir", faults, path).or_else(|| {
        let found = default_data_dir(surroundings.environment);
        if found.is_none() {
            faults.add(Origin::Default("--data-dir".to_owned()), NO_DATA_DIR);
        }
        found
    });
    let config = ServeConfig {
        file: None,
        data_dir: data_dir.clone().unwrap_or_default(),
        database: database::database(s, file, faults),
        listen,
        observe_listen,
        admin_listen,
        proxy_protocol_from: s.value("proxy_protocol_from", "proxyProtocolFrom", Vec::new(), faults, networks),
        public_url: s.optional("public_url", "publicUrl", faults, str::parse),
        tls: tls_files(s, faults),
        ca_overlap: s.value("ca_overlap", "caOverlap", 24 * HOUR, faults, duration(Duration::ZERO..=LONGEST)),
        client_key_type: s.value("client_key_type", "clientKeyType", ClientKeyType::default(), faults, str::parse),
        ca_key_type: s.value("ca_key_type", "caKeyType", CaKeyType::default(), faults, str::parse),
        certificate_validity: s.value(
            "certificate_validity",
            "certificateValidity",
            43_800 * HOUR,
            faults,
            duration(HOUR..=LONGEST),
        ),
        retention: s.value("retention", "retention", 24 * HOUR, faults, duration(Duration::ZERO..=LONGEST)),
        disk_reserve: s.value("disk_reserve_bytes", "diskReserveBytes", DISK_RESERVE, faults, number(0..=1 << 50)),
        retry_window: s.value("retry_window", "retryWindow", Duration::ZERO, faults, duration(Duration::ZERO..=HOUR)),
        quota: Quota {
            objects: s.value(
                "max_objects_per_namespace",
                "maxObjectsPerNamespace",
                Quota::DEFAULT.objects,
                faults,
                number(1..=1_000_000_000),
            ),
            bytes: s.value(
                "max_bytes_per_namespace",
                "maxBytesPerNamespace",
                Quota::DEFAULT.bytes,
                faults,
                number(1 << 20..=1 << 50),
            ),
        },
        log_format: s.value("log_format", "logFormat", LogFormat::Auto, faults, str::parse),
        log_filter: s.value("log", "log", LogFilter::default(), faults, str::parse),
        limits: limits(s, faults),
        sites: sites::sites(s, &surroundings.host_name, faults),
    };
    data_dir.map(|_| config)
}

fn limits(s: &mut Sources<'_>, faults: &mut Faults) -> Limits {
    let default = Limits::default();
    let deadline = || duration(Duration::from_millis(100)..=60 * SECOND);
    let drain = duration(Duration::ZERO..=HOUR);
    // The HTTP library cannot take less than 8 KiB.
    let header_bytes = number(8192..=64 * 1024);
    let count = || number(1..=1_000_000);
    let limits = Limits {
        handshake_deadline: s.value(
            "handshake_deadline",
            "limits.handshakeDeadline",
            default.handshake_deadline,
            faults,
            deadline(),
        ),
        request_deadline: s.value(
            "request_deadline",
            "limits.requestDeadline",
            default.request_deadline,
            faults,
            deadline(),
        ),
        drain_deadline: s.value("drain_timeout", "drainTimeout", default.drain_deadline, faults, drain),
        max_body_bytes: s.value(
            "max_body_bytes",
            "limits.maxBodyBytes",
            default.max_body_bytes,
            faults,
            number(1..=16 * 1024),
        ),
        max_header_bytes: s.value(
            "max_header_bytes",
            "limits.maxHeaderBytes",
            default.max_header_bytes,
            faults,
            header_bytes,
        ),
        max_headers: s.value("max_headers", "limits.maxHeaders", default.max_headers, faults, number(8..=256)),
        max_connections: s.value("max_connections", "limits.maxConnections", default.max_connections, faults, count()),
        max_connections_per_peer: s.value(
            "max_connections_per_peer",
            "limits.maxConnectionsPerPeer",
            default.max_connections_per_peer,
            faults,
            number(0..=1_000_000),
        ),
        max_handshakes: s.value("max_handshakes", "limits.maxHandshakes", default.max_handshakes, faults, count()),
    };
    // A limit of connections below the limit of handshakes is not a fault; it limits handshakes too.
    Limits { max_handshakes: limits.max_handshakes.min(limits.max_connections), ..limits }
}

fn tls_files(s: &mut Sources<'_>, faults: &mut Faults) -> Option<TlsFiles> {
    let parts = [("tls_cert", "tls.certFile"), ("tls_key", "tls.keyFile"), ("tls_ca", "tls.caFile")];
    let found = parts.map(|(id, field)| (s.find(id, field, faults), id, field));
    if found.iter().all(|(setting, ..)| setting.is_none()) {
        return None;
    }
    for (_, id, field) in found.iter().filter(|(setting, ..)| setting.is_none()) {
        let flag = format!("--{}", id.replace('_', "-"));
        faults.add(
            Origin::Flag(flag),
            format!("is missing ({field} in the file); give all three of certificate, key and CA, or none"),
        );
    }
    let [cert_file, key_file, ca_file] =
        found.map(|(setting, ..)| setting.and_then(|setting| faults.parse(&setting, path)));
    Some(TlsFiles { cert_file: cert_file?, key_file: key_file?, ca_file: ca_file? })
}
