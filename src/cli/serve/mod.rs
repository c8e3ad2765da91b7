//! `grantd serve`: builds the server, runs it, and stops its parts in order.

mod admin_certificate;
mod descriptors;
mod disk;
mod error;
mod hosts;
mod material;
mod reconfigure;
mod refresh;
mod signals;
mod store;
mod users;

use std::{fmt::Write as _, net::SocketAddr, sync::Arc};

use admin_certificate::AdminCertificate;
pub(crate) use descriptors::needed_files;
pub(crate) use error::ServeError;
pub(crate) use hosts::host_name;
use material::Material;
pub(crate) use reconfigure::ReadConfig;
use reconfigure::Reconfigure;
use refresh::{Refresher, Seen, ServingSource, ServingSources};
use signals::Hangup;
use store::{Opened, Place};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tracing::{error, info, warn};
use users::UserFollower;

use super::{
    config::ServeConfig,
    data_dir::{DataDir, default_data_dir},
    output::{Console, ConsoleError, shell_word},
};
use crate::{
    app::{App, AppParts, BackgroundTask, DiskReserve, Publication, Sites, chain},
    client::{NetworkProber, NetworkRedeemer},
    file::{self, Access, Existing},
    grant::Namespace,
    http::{Limits, ObserveListener, RedeemListener},
    kube::{AdminSocketListener, AdminTlsListener},
    link::PublicUrl,
    metrics::Metrics,
    net::CurrentIdentity,
    pki::Profile,
    store::StoreLock,
    time::{Clock, Timestamp},
};

/// Serves until a signal asks it to stop, or until a listener ends by itself: without one of them, a supervisor should
/// start it again. A second signal ends it at once, whatever it waits for; so does one while it starts.
///
/// # Errors
/// [`ServeError`] when the server cannot start or continue. No file is created when the configured files are wrong.
pub(crate) async fn run(
    config: ServeConfig,
    read_again: ReadConfig,
    metrics: Arc<Metrics>,
    console: &mut Console<'_>,
) -> Result<(), ServeError> {
    let mut stop = signals::Stop::listen().map_err(ServeError::Signals)?;
    let hangup = Hangup::listen().map_err(ServeError::Signals)?;
    let mut server = tokio::select! {
        built = Server::build(&config, read_again, metrics) => {
            built.map_err(|fault| disk::explained(fault, &config.data_dir))?
        }
        () = stop.asked() => return Ok(()),
    };
    server.announce(&config, console).map_err(ServeError::Banner)?;
    let app = Arc::clone(&server.app);
    // Until the store is closed.
    let _lock = server.lock.take();
    let (close, closing) = watch::channel(false);
    let mut listeners = server.open(&config, hangup, &closing);
    app.started();
    signals::notify_systemd_ready();
    // On a task of its own: it asks the store, and no signal may wait for that.
    let report = tokio::spawn(report_readiness(Arc::clone(&app)));

    let outcome = tokio::select! {
        () = stop.asked() => Ok(()),
        fault = broken(&mut listeners) => Err(fault),
    };
    signals::notify_systemd_stopping();
    info!("stopping: no new requests; those in progress are finished");
    app.draining();
    // Fails only when every listener has closed already.
    let _ = close.send(true);
    signals::unless_asked_again(&mut stop, shut_down(&app, report, listeners)).await;
    outcome
}

/// Waits for a listener that ends by itself.
async fn broken(listeners: &mut JoinSet<Result<(), ServeError>>) -> ServeError {
    match listeners.join_next().await {
        Some(Ok(Err(fault))) => fault,
        Some(Ok(Ok(())) | Err(_)) | None => ServeError::BrokenListener,
    }
}

/// Waits for the report, the listeners and the controllers to finish, and then closes the store.
async fn shut_down(app: &App, report: JoinHandle<()>, mut listeners: JoinSet<Result<(), ServeError>>) {
    // A report that panicked is in the log.
    let _ = report.await;
    while listeners.join_next().await.is_some() {}
    match app.close().await {
        Ok(()) => info!("stopped"),
        Err(fault) => error!(error = %chain(&fault), "the store did not close cleanly"),
    }
}

/// Logs the answer of /readyz once, as an operator reads the log after starting the server.
async fn report_readiness(app: Arc<App>) {
    let readiness = app.readiness().await;
    let faults = readiness.checks.iter().filter_map(|check| Some((check.name, check.fault.as_ref()?)));
    faults.for_each(|(check, fault)| warn!(check, fault, "a redemption would fail"));
    let notes = readiness.checks.iter().filter_map(|check| Some((check.name, check.note.as_ref()?)));
    notes.for_each(|(check, note)| warn!(check, note, "some redemptions would fail"));
    if readiness.is_ready() {
        info!(version = env!("CARGO_PKG_VERSION"), "ready");
    }
}

/// All parts of the server, opened but not serving yet.
struct Server {
    app: Arc<App>,
    /// The database with the store, when that is not in the data directory.
    database: Option<String>,
    lock: Option<StoreLock>,
    data_dir: DataDir,
    redeem: RedeemListener,
    observe: ObserveListener,
    admin: AdminSocketListener,
    admin_network: Option<AdminNetwork>,
    refresher: Refresher,
    /// Of the users of `admin_network`.
    users: Option<UserFollower>,
}

/// The admin listener for users with certificates.
struct AdminNetwork {
    listener: AdminTlsListener,
    certificate: CurrentIdentity,
    url: PublicUrl,
}

impl AdminNetwork {
    /// Binds the listener, makes its certificate, and writes its URL to the file that `grantd kubeconfig` reads.
    fn open(
        address: SocketAddr,
        data_dir: &DataDir,
        public: &PublicUrl,
        now: Timestamp,
    ) -> Result<(Self, AdminCertificate), ServeError> {
        let listener = AdminTlsListener::bind(address).map_err(ServeError::AdminListener)?;
        let listening = listener.local_addr();
        let url = hosts::default_public_url(listening, std::slice::from_ref(public.host()));
        let url = url.ok_or(ServeError::NoPublicUrl)?;
        let names = hosts::admin_names(public.host(), listening.ip());
        let certificate = AdminCertificate::load(data_dir, names, now)?;
        let line = format!("{url}\n");
        file::write(&DataDir::admin_url_of(data_dir.path()), line.as_bytes(), Access::Private, Existing::Replace)
            .map_err(ServeError::File)?;
        Ok((Self { listener, certificate: certificate.current(), url }, certificate))
    }
}

impl Server {
    /// Loads and opens all parts: first the configured files, before any file is created, then the store, sockets, and
    /// self-made keys and certificates.
    async fn build(config: &ServeConfig, read_again: ReadConfig, metrics: Arc<Metrics>) -> Result<Self, ServeError> {
        let clock = Clock::system();
        let now = clock.now();
        // Read before the files are loaded, so that a file that changes in between is loaded again.
        let seen = Seen::of(config);
        let given = material::load_given(config, now)?;
        let place = Place::examined(config).await?;
        let data_dir = DataDir::open(&config.data_dir).map_err(ServeError::File)?;
        let Opened { store, lock } = place.open(&data_dir, config, &metrics).await?;
        // The lock on the store is held, so no other server writes here.
        disk::tidy(&data_dir, now);
        let loaded_revision = store.advance().await.map_err(ServeError::StoreFailed)?;
        let redeem = RedeemListener::bind(config.listen).map_err(ServeError::Bind)?;
        let redeem = redeem.behind(config.proxy_protocol_from.clone());
        let observe = ObserveListener::bind(config.observe_listen).map_err(ServeError::Bind)?;
        let admin =
            AdminSocketListener::bind(&DataDir::admin_socket_of(data_dir.path())).map_err(ServeError::AdminListener)?;

        let url = public_url(config, &redeem)?;
        let (admin_network, admin_certificate) = match config.admin_listen {
            Some(address) => Some(AdminNetwork::open(address, &data_dir, &url, now)?),
            None => None,
        }
        .unzip();
        let Material { sites, sources, serving } = given.into_sites(config, &data_dir, url.host(), now)?;
        let (serving, source) = match (serving, &config.tls) {
            (Some(serving), Some(files)) => {
                (serving, ServingSource::Given { files: files.clone(), overlap: config.ca_overlap })
            }
            (_, _) => {
                let hosts = hosts::redeem_names(url.host(), redeem.local_addr().ip());
                let serving = material::self_made_serving(&data_dir, &hosts, now)?;
                (serving, ServingSource::SelfMade { data_dir: data_dir.clone(), hosts })
            }
        };
        let app = App::new(
            store,
            AppParts {
                clock,
                metrics,
                sites: Sites::new(sites).map_err(ServeError::Sites)?,
                publication: Publication::new(url, serving),
                profile: Profile { key_type: config.client_key_type, validity: config.certificate_validity },
                longest_code: config.limits.max_body_bytes,
                retention: config.retention,
                retry_window: config.retry_window,
                loaded_revision,
            },
        );
        let reserve = DiskReserve { directory: data_dir.path().to_owned(), bytes: place.disk_reserve(config) };
        let app = app.with_disk_reserve(reserve).with_clock_mark(DataDir::clock_mark_of(data_dir.path()));
        let app = Arc::new(app.map_err(ServeError::ClockMark)?);
        app.load_sites().await.map_err(ServeError::StoreFailed)?;
        let refresher = Refresher::new(
            Arc::clone(&app),
            sources,
            ServingSources { redeem: source, admin: admin_certificate },
            Reconfigure::new(read_again, data_dir.clone(), config.clone()),
            seen,
        );
        let users = match admin_network {
            Some(_) => Some(UserFollower::start(Arc::clone(&app), config.data_dir.clone()).map_err(ServeError::Users)?),
            None => None,
        };
        let database = place.elsewhere();
        Ok(Self { app, database, lock, data_dir, redeem, observe, admin, admin_network, refresher, users })
    }

    /// Prints the addresses and paths of the server, and the next command to run.
    fn announce(&self, config: &ServeConfig, console: &mut Console<'_>) -> Result<(), ConsoleError> {
        let default = default_data_dir(|name| std::env::var_os(name));
        let mut command = "grantd".to_owned();
        if default.is_none_or(|default| default != config.data_dir) {
            let _ = write!(command, " --data-dir {}", shell_word(&config.data_dir));
        }
        command.push_str(" token issue west.yaml");
        if let Some(first) = config.sites.first().filter(|site| site.namespace != Namespace::default()) {
            let _ = write!(command, " -n {}", first.namespace);
        }
        let mut text = format!("grantd {}\n", env!("CARGO_PKG_VERSION"));
        for site in self.app.sites().all_configured() {
            let site = site.site();
            let _ = writeln!(text, "  site      {} (namespace {})", site.name, site.namespace);
        }
        let redeem = self.redeem.local_addr();
        let _ = writeln!(text, "  redeem    {}  (listening on {redeem})", self.app.publication().url());
        let _ = writeln!(text, "  observe   http://{}/metrics", self.observe.local_addr());
        let _ = writeln!(text, "  admin     {}", DataDir::admin_socket_of(self.data_dir.path()).display());
        if let Some(AdminNetwork { listener, url, .. }) = &self.admin_network {
            let _ =
                writeln!(text, "  kubectl   {url}  (listening on {}; see 'grantd kubeconfig')", listener.local_addr());
        }
        let _ = writeln!(text, "  data      {}", self.data_dir.path().display());
        if let Some(database) = &self.database {
            let _ = writeln!(text, "  database  {database}");
        }
        let _ = writeln!(text, "\nMake a token that a connecting site can redeem once:\n");
        let _ = writeln!(text, "  {command}");
        console.print(&text)
    }

    /// Starts the listeners and the background tasks.
    fn open(
        self,
        config: &ServeConfig,
        hangup: Hangup,
        closing: &watch::Receiver<bool>,
    ) -> JoinSet<Result<(), ServeError>> {
        let mut listeners = JoinSet::new();
        let app = self.app;
        let open_files = descriptors::raise();
        let shares = descriptors::share(open_files, &config.limits, self.admin_network.is_some());
        descriptors::warn_if_lowered(open_files, &config.limits, shares);
        let limits = Limits { max_connections: shares.redeem, ..config.limits.clone() };
        let redeem = self.redeem.serve(Arc::clone(&app), limits, closed(closing));
        let redeem = supervised(Arc::clone(&app), BackgroundTask::RedeemListener, redeem);
        listeners.spawn(async { redeem.await.map(drop).map_err(ServeError::Tls) });
        let admin = self.admin.with_at_most(shares.admin_socket).serve(Arc::clone(&app), closed(closing));
        let admin = supervised(Arc::clone(&app), BackgroundTask::AdminSocket, admin);
        listeners.spawn(async {
            admin.await;
            Ok(())
        });
        if let Some(AdminNetwork { listener, certificate, .. }) = self.admin_network {
            let listener = listener.with_at_most(shares.admin_network);
            let admin = listener.serve(Arc::clone(&app), certificate, closed(closing));
            let admin = supervised(Arc::clone(&app), BackgroundTask::AdminListener, admin);
            listeners.spawn(async { admin.await.map(drop).map_err(ServeError::AdminListener) });
        }
        // Stops together with the listeners, so that redeemed objects are stored before the store closes.
        let controllers =
            Arc::clone(&app).run_controllers(Arc::new(NetworkRedeemer::default()), Arc::new(NetworkProber::default()));
        listeners.spawn(async {
            controllers.await;
            Ok(())
        });
        // The observe listener answers probes and metrics until the process ends.
        let observe = self.observe.with_at_most(shares.observe).serve(Arc::clone(&app), std::future::pending());
        tokio::spawn(supervised(Arc::clone(&app), BackgroundTask::ObserveListener, observe));
        tokio::spawn(Arc::clone(&app).sweep_forever());
        tokio::spawn(supervised(Arc::clone(&app), BackgroundTask::Certificates, self.refresher.run(hangup)));
        if let Some(users) = self.users {
            tokio::spawn(supervised(Arc::clone(&app), BackgroundTask::Users, users.run()));
        }
        listeners
    }
}

/// The work of a background task, which owns the service that is told when it panics.
async fn supervised<T>(app: Arc<App>, task: BackgroundTask, work: impl Future<Output = T>) -> T {
    app.supervised(task, work).await
}

fn public_url(config: &ServeConfig, redeem: &RedeemListener) -> Result<PublicUrl, ServeError> {
    match &config.public_url {
        Some(url) => Ok(url.clone()),
        None => hosts::default_public_url(redeem.local_addr(), &hosts::known_as()).ok_or(ServeError::NoPublicUrl),
    }
}

/// Completes when the listeners must close.
fn closed(closing: &watch::Receiver<bool>) -> impl Future<Output = ()> + Send + use<> {
    let mut closing = closing.clone();
    async move {
        // A dropped sender also means that the listeners must close.
        let _ = closing.wait_for(|closing| *closing).await;
    }
}
