//! A server with everything real in it, and a client that sends exactly what the test says.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{interval, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::store::FlawedStore;
use crate::{
    app::{App, AppParts, ConfiguredSite, GrantDraft, GrantSpec, Publication, Sites},
    file::{self, Access, Existing},
    grant::{Grant, GrantMetadata, GrantTerms, Redemption},
    http::{Limits, RedeemListener, TlsError},
    link::{Endpoint, EndpointName, Group, Port, Site},
    metrics::Metrics,
    net::Drained,
    pki::{CaKeyType, Issuer, Profile, ServingIdentity, make_ca, make_serving},
    store::{self, Location, Quota, StoreOptions},
    time::Clock,
};

/// Longer than any test takes; a test that waits in vain ends.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition that is waited for is checked.
const GLANCE: Duration = Duration::from_millis(2);
pub(super) const CODE: &str = "L1qCl2mZ7D81gbXp3ax4YT0K";

/// A directory that is gone after the test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("grantd-http-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        file::write(&path, text.as_bytes(), Access::Private, Existing::Keep).unwrap();
        path
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) struct Server {
    pub(super) app: Arc<App>,
    pub(super) store: Arc<FlawedStore>,
    pub(super) clock: Clock,
    pub(super) address: SocketAddr,
    pub(super) directory: Directory,
    shutdown: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<Drained, TlsError>>,
}

/// Requests by how they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcomes {
    pub(super) issued: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
}

/// A serving certificate for the loopback address and `localhost`, and the CA that signed it.
pub(super) fn serving_identity(directory: &Directory, clock: &Clock) -> ServingIdentity {
    let now = clock.now();
    let ca = make_ca("test-server-ca", CaKeyType::EcdsaP256, now).unwrap();
    let hosts = ["127.0.0.1".parse().unwrap(), "localhost".parse().unwrap()];
    let day = Duration::from_secs(86_400);
    let (chain, key) =
        make_serving(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), &hosts, now, day).unwrap();
    ServingIdentity::load(
        &directory.write("serving.crt", &chain),
        &directory.write("serving.key", key.expose()),
        &directory.write("ca.crt", &ca.certificate_pem),
        now,
    )
    .unwrap()
}

pub(super) fn site(namespace: &str, edge: bool, hosts: &[&str], clock: &Clock) -> ConfiguredSite {
    let now = clock.now();
    let ca = make_ca("test-site-ca", CaKeyType::EcdsaP256, now).unwrap();
    let issuer = Issuer::from_pem(ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes(), now).unwrap();
    let endpoint = |host: &&str| Endpoint {
        group: Group::default(),
        name: EndpointName::InterRouter,
        host: host.parse().unwrap(),
        port: Port::try_from(55671).unwrap(),
    };
    let site = Site {
        namespace: namespace.parse().unwrap(),
        name: "site".parse().unwrap(),
        edge,
        endpoints: hosts.iter().map(endpoint).collect(),
    };
    ConfiguredSite::new(site, "site-ca".parse().unwrap(), [("site-ca".parse().unwrap(), issuer)])
}

pub(super) async fn test_app(directory: &Directory, clock: &Clock) -> (Arc<App>, Arc<FlawedStore>) {
    test_app_with(directory, clock, Duration::ZERO).await
}

async fn test_app_with(directory: &Directory, clock: &Clock, retry_window: Duration) -> (Arc<App>, Arc<FlawedStore>) {
    let options = StoreOptions {
        quota: Quota::DEFAULT,
        location: Location::Sqlite {
            database: directory.path().join("grants.db"),
            lock: directory.path().join("lock"),
        },
        key: directory.path().join("sealing.key"),
        on_commit: Box::new(|_| {}),
    };
    let store = Arc::new(FlawedStore::new(store::open(options).await.unwrap()));
    let sites = [
        site("west", false, &["west.example.com"], clock),
        site("rim", true, &["rim.example.com"], clock),
        site("bare", false, &[], clock),
    ];
    let parts = AppParts {
        clock: clock.clone(),
        metrics: Arc::new(Metrics::new()),
        sites: Sites::new(sites).unwrap(),
        publication: Publication::new("https://127.0.0.1:9090".parse().unwrap(), serving_identity(directory, clock)),
        profile: Profile::default(),
        longest_code: Limits::default().max_body_bytes,
        retry_window,
        retention: Duration::from_secs(86_400),
        loaded_revision: crate::grant::Revision(1),
    };
    (Arc::new(App::new(Arc::clone(&store) as _, parts)), store)
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    pub(super) async fn start_with(limits: Limits) -> Self {
        Self::start_with_window(limits, Duration::ZERO).await
    }

    /// A server with this retry window.
    pub(super) async fn start_with_window(limits: Limits, retry_window: Duration) -> Self {
        let directory = Directory::new();
        let clock = Clock::fixed(Clock::system().now());
        let (app, store) = test_app_with(&directory, &clock, retry_window).await;
        let listener = RedeemListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr();
        let (shutdown, stop) = oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve(Arc::clone(&app), limits, async {
            let _ = stop.await;
        }));
        app.started();
        Self { app, store, clock, address, directory, shutdown: Some(shutdown), serving }
    }

    /// A grant of site `west` that allows this many redemptions.
    pub(super) async fn grant(&self, allowed: u32) -> Grant {
        self.grant_of("west", allowed, None).await
    }

    pub(super) async fn grant_of(&self, namespace: &str, allowed: u32, issuer: Option<&str>) -> Grant {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("offer-{}", NEXT.fetch_add(1, Ordering::SeqCst));
        let draft = GrantDraft {
            namespace: namespace.parse().unwrap(),
            name: name.parse().unwrap(),
            spec: GrantSpec {
                allowed,
                code: Some(CODE.parse().unwrap()),
                terms: GrantTerms { issuer: issuer.map(|name| name.parse().unwrap()), ..GrantTerms::default() },
            },
            metadata: GrantMetadata::default(),
        };
        self.app.create_grant(draft).await.unwrap()
    }

    pub(super) async fn redemptions(&self, grant: &Grant) -> Vec<Redemption> {
        self.app.redemptions(grant.id, 0, 1000).await.unwrap()
    }

    pub(super) fn ca_path(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// A client configuration that trusts this server and nothing else.
    pub(super) fn client_config(&self) -> ClientConfig {
        self.client_config_with(aws_lc_rs::default_provider())
    }

    pub(super) fn client_config_with(&self, provider: CryptoProvider) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.ca_path()).unwrap()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    pub(super) async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_with(self.client_config()).await.unwrap()
    }

    pub(super) async fn connect_with(&self, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
        self.connect_to(ServerName::from(self.address.ip()), Arc::new(config)).await
    }

    pub(super) async fn connect_to(
        &self,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        timeout(PATIENCE, TlsConnector::from(config).connect(name, stream)).await.expect("a handshake in time")
    }

    /// Sends these bytes on a connection of their own and reads to the end.
    pub(super) async fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut tls = self.connect().await;
        tls.write_all(request.as_ref()).await.unwrap();
        Answer::read(&mut tls).await
    }

    /// What a Skupper client sends for this path.
    pub(super) async fn post(&self, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send(post(path, headers, body)).await
    }

    pub(super) async fn redeem(&self, grant: &Grant) -> Answer {
        self.post(&format!("/{}", grant.id), "Name: east\r\nSubject: site-uid\r\n", CODE).await
    }

    /// The value of this line of the metrics.
    pub(super) fn metric(&self, line: &str) -> u64 {
        let text = self.app.metrics().render();
        let value = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no metric {line}")).parse().unwrap()
    }

    /// How the requests so far are counted.
    pub(super) fn outcomes(&self) -> Outcomes {
        let of = |outcome| self.metric(&format!("grantd_redemptions_total{{outcome=\"{outcome}\"}}"));
        Outcomes { issued: of("issued"), refused: of("refused"), failed: of("failed") }
    }

    /// Waits until this line of the metrics has this value.
    pub(super) async fn metric_becomes(&self, line: &str, value: u64) {
        let wait = async {
            let mut ticks = interval(GLANCE);
            while self.metric(line) != value {
                ticks.tick().await;
            }
        };
        assert!(timeout(PATIENCE, wait).await.is_ok(), "{line} is {}, not {value}", self.metric(line));
    }

    /// Waits until this many redemptions have reached the store.
    pub(super) async fn commits_begun(&self, count: u32) {
        let wait = async {
            let mut ticks = interval(GLANCE);
            while self.store.commits.load(Ordering::SeqCst) < count {
                ticks.tick().await;
            }
        };
        timeout(PATIENCE, wait).await.expect("a redemption reaches the store in time");
    }

    /// Tries until a permit is free.
    pub(super) async fn until_admitted(&self, grant: &Grant) -> Answer {
        let path = format!("/{}", grant.id);
        let attempts = async {
            loop {
                if let Ok(mut tls) = self.connect_with(self.client_config()).await {
                    tls.write_all(&post(&path, "", CODE)).await.unwrap();
                    return Answer::read(&mut tls).await;
                }
            }
        };
        timeout(PATIENCE, attempts).await.expect("a permit in time")
    }

    /// Waits until the kernel refuses connections to the listener.
    pub(super) async fn refuses_connections(&self) {
        let wait = async { while TcpStream::connect(self.address).await.is_ok() {} };
        timeout(PATIENCE, wait).await.expect("connections are refused in time");
    }

    pub(super) fn begin_shutdown(&mut self) {
        let _ = self.shutdown.take().unwrap().send(());
    }

    pub(super) async fn drained(self) -> Drained {
        timeout(PATIENCE, self.serving).await.expect("the listener closes in time").unwrap().unwrap()
    }
}

/// A request as Go writes it (docs/protocol.md section 1.1), with these headers before the framing.
pub(super) fn post(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:9090\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\n{headers}Accept-Encoding: gzip\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// Everything that came back, to the last byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Status line and headers, without `Date`, whose form alone is checked.
    pub(super) head: Vec<String>,
    pub(super) body: String,
}

impl Answer {
    pub(super) async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> Self {
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end in time");
        // A TLS stream that ends without close_notify is an error: an answer could be cut short unseen.
        read.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&bytes)));
        Self::parse(&bytes)
    }

    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = str::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let (dates, mut head): (Vec<_>, Vec<_>) =
            head.split("\r\n").map(str::to_owned).partition(|line| line.starts_with("Date: "));
        assert!(dates.iter().all(|date| date.ends_with(" GMT") && date.len() == 35), "{dates:?}");
        head[1..].sort();
        Self { head, body: body.to_owned() }
    }

    pub(super) fn status(&self) -> &str {
        &self.head[0]
    }

    /// An answer with this status line and text, as docs/protocol.md section 1.2 wants it.
    pub(super) fn error(status: &str, text: &str) -> Self {
        let mut head = vec![
            "Connection: close".to_owned(),
            format!("Content-Length: {}", text.len() + 1),
            "Content-Type: text/plain; charset=utf-8".to_owned(),
            "X-Content-Type-Options: nosniff".to_owned(),
        ];
        if status.starts_with("503") {
            head.insert(3, "Retry-After: 5".to_owned());
        }
        head.insert(0, format!("HTTP/1.1 {status}"));
        Self { head, body: format!("{text}\n") }
    }

    /// The same with one header more.
    pub(super) fn with_header(mut self, line: &str) -> Self {
        self.head.push(line.to_owned());
        self.head[1..].sort();
        self
    }
}
