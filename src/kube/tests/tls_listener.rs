//! The listener on TCP: real TLS, with certificates and without.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, version::TLS13};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::world::{GRANTS, World, grant};
use crate::{
    file::{self, Access, Existing},
    kube::{AdminListenerError, AdminTlsListener},
    net::Drained,
    pki::{AdminUser, CaKeyType, SelfMadeCa, ServingIdentity, make_admin_user, make_ca, make_serving},
    time::Clock,
};

const DEADLINE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn ca() -> SelfMadeCa {
    make_ca("admin CA", CaKeyType::EcdsaP256, Clock::system().now()).unwrap()
}

/// A listener that serves until it is stopped.
pub(super) struct Running {
    pub(super) world: World,
    pub(super) ca: SelfMadeCa,
    served: watch::Sender<Arc<ServingIdentity>>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<Drained, AdminListenerError>>,
}

impl Running {
    pub(super) async fn start() -> Self {
        let (world, ca) = (World::start().await, ca());
        let listener = AdminTlsListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr();
        let (stop, stopped) = oneshot::channel();
        let served = watch::Sender::new(Arc::new(identity(&world, &ca)));
        let current = served.subscribe();
        let current = Box::new(move || Arc::clone(&current.borrow()));
        let serving = listener.serve(Arc::clone(&world.app), current, async {
            let _ = stopped.await;
        });
        Self { world, ca, served, address, stop, serving: tokio::spawn(serving) }
    }

    /// A connection with a certificate for `scope` that `user_ca` has signed, or with none.
    pub(super) async fn connect(&self, user: Option<(&SelfMadeCa, &str)>, protocol: &str) -> TlsStream<TcpStream> {
        self.connect_for(user, DAY, protocol).await
    }

    /// The same, with a certificate that is valid for so long.
    async fn connect_for(
        &self,
        user: Option<(&SelfMadeCa, &str)>,
        validity: Duration,
        protocol: &str,
    ) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.certificate_pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match user {
            None => config.with_no_client_auth(),
            Some((ca, scope)) => {
                let user = AdminUser { name: "alice".parse().unwrap(), scope: scope.parse().unwrap() };
                let (ca_pem, key) = (ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes());
                let (certificate, key) = make_admin_user(ca_pem, key, &user, Clock::system().now(), validity).unwrap();
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        timeout(DEADLINE, connecting).await.unwrap().unwrap()
    }

    pub(super) async fn close(self) -> World {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.serving).await.unwrap().unwrap().unwrap();
        self.world
    }
}

fn identity(world: &World, ca: &SelfMadeCa) -> ServingIdentity {
    let (now, hosts) = (Clock::system().now(), ["127.0.0.1".parse().unwrap()]);
    let (ca_pem, ca_key) = (ca.certificate_pem.as_bytes(), ca.key.expose().as_bytes());
    let (certificate, key) = make_serving(ca_pem, ca_key, &hosts, now, DAY).unwrap();
    let file = |name: &str, text: &str| {
        let path = world.scratch.path().join(name);
        file::write(&path, text.as_bytes(), Access::Private, Existing::Replace).unwrap();
        path
    };
    let (certificate, key) = (file("admin.crt", &certificate), file("admin.key", key.expose()));
    ServingIdentity::load(&certificate, &key, &file("admin-ca.crt", &ca.certificate_pem), now).unwrap()
}

pub(super) fn request(method: &str, path: &str, body: &Value) -> Request<Full<Bytes>> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request::builder().method(method).uri(format!("https://127.0.0.1{path}")).header("host", "127.0.0.1");
    request.header("content-type", "application/json").body(Full::from(text)).unwrap()
}

async fn seen(answer: Response<Incoming>) -> (u16, Value) {
    let status = answer.status().as_u16();
    let body = timeout(DEADLINE, answer.into_body().collect()).await.unwrap().unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

pub(super) async fn over_http1(stream: TlsStream<TcpStream>, request: Request<Full<Bytes>>) -> (u16, Value) {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let answer = seen(timeout(DEADLINE, sender.send_request(request)).await.unwrap().unwrap()).await;
    connection.abort();
    answer
}

#[tokio::test]
async fn a_client_with_a_certificate_is_served_over_both_versions_of_http() {
    let running = Running::start().await;
    let user = || Some((&running.ca, "grantd:*:write"));

    let stream = running.connect(user(), "http/1.1").await;
    let (status, made) = over_http1(stream, request("POST", GRANTS, &grant("g", json!({})))).await;
    assert_eq!(status, 201, "{made}");

    let stream = running.connect(user(), "h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..2 {
        let answer = timeout(DEADLINE, sender.send_request(request("GET", GRANTS, &Value::Null))).await.unwrap();
        let (status, list) = seen(answer.unwrap()).await;
        assert_eq!((status, &list["items"][0]), (200, &made));
    }

    // The server closes idle connections when it stops.
    running.close().await;
    timeout(DEADLINE, connection).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_request_of_http2_without_a_host_is_refused() {
    let running = Running::start().await;
    let stream = running.connect(Some((&running.ca, "grantd:*:write")), "h2").await;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    // Without an authority in the URI the client sends no `:authority`.
    let hosts: [(&str, &[&str], u16); 6] = [
        (GRANTS, &[], 400),
        (GRANTS, &["west.example.com"], 200),
        (GRANTS, &["west.example.com", "west.example.com"], 400),
        (GRANTS, &["a b"], 400),
        ("https://alice@west.example.com/version", &[], 400),
        ("https://west.example.com:9091/version", &[], 200),
    ];
    for (uri, hosts, expected) in hosts {
        let request = hosts.iter().fold(Request::builder().uri(uri), |request, host| request.header("host", *host));
        let request = request.body(Full::<Bytes>::default()).unwrap();

        let (status, answer) = seen(timeout(DEADLINE, sender.send_request(request)).await.unwrap().unwrap()).await;

        assert_eq!(status, expected, "{uri} {hosts:?}: {answer}");
    }
    connection.abort();
    running.close().await;
}

#[tokio::test]
async fn a_client_without_a_certificate_gets_a_401_and_may_read_the_version() {
    let running = Running::start().await;
    let (status, _) =
        over_http1(running.connect(None, "http/1.1").await, request("GET", "/version", &Value::Null)).await;
    assert_eq!(status, 200);
    let (status, answer) =
        over_http1(running.connect(None, "http/1.1").await, request("GET", GRANTS, &Value::Null)).await;
    assert_eq!((status, &answer["reason"]), (401, &json!("Unauthorized")));
    running.close().await;
}

#[tokio::test]
async fn a_certificate_opens_no_more_than_it_says() {
    let running = Running::start().await;
    let stream = running.connect(Some((&running.ca, "grantd:west:read")), "http/1.1").await;
    let (status, answer) = over_http1(stream, request("POST", GRANTS, &grant("g", json!({})))).await;
    assert_eq!(status, 403);
    assert!(answer["message"].as_str().unwrap().contains("User \"alice\" cannot create"), "{answer}");
    running.close().await;
}

#[tokio::test]
async fn a_connection_ends_with_the_certificate_of_its_client_and_so_do_its_watches() {
    let running = Running::start().await;
    let now = Clock::system().now();
    running.world.clock.set(now);
    let user = || Some((&running.ca, "grantd:*:write"));
    let minute = Duration::from_secs(60);

    for protocol in ["http/1.1", "h2"] {
        running.world.clock.set(now);
        let stream = running.connect_for(user(), minute, protocol).await;
        let lasting = running.connect(user(), "http/1.1").await;
        let watch = request("GET", &format!("{GRANTS}?watch=true"), &Value::Null);
        let (answer, connection): (_, JoinHandle<()>) = if protocol == "h2" {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            let connection = tokio::spawn(async { drop(connection.await) });
            (timeout(DEADLINE, sender.send_request(watch)).await.unwrap().unwrap(), connection)
        } else {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            let connection = tokio::spawn(async { drop(connection.await) });
            (timeout(DEADLINE, sender.send_request(watch)).await.unwrap().unwrap(), connection)
        };
        assert_eq!(answer.status(), 200);

        running.world.clock.set(now.saturating_add(10 * minute));

        // The watch breaks off, and the connection closes; one with a longer certificate goes on.
        let _ = timeout(DEADLINE, answer.into_body().collect()).await.unwrap();
        timeout(DEADLINE, connection).await.unwrap().unwrap();
        let (status, _) = over_http1(lasting, request("GET", GRANTS, &Value::Null)).await;
        assert_eq!(status, 200);
    }
    running.close().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_served_from_the_next_handshake_on() {
    let running = Running::start().await;
    let user = || Some((&running.ca, "grantd:*:write"));
    let presented = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let before = running.connect(user(), "http/1.1").await;
    let renewed = Arc::new(identity(&running.world, &running.ca));

    running.served.send_replace(Arc::clone(&renewed));

    let after = running.connect(user(), "http/1.1").await;
    assert_eq!(presented(&after), renewed.chain()[0].to_vec());
    assert_ne!(presented(&before), presented(&after));
    // A connection that is open goes on.
    for stream in [before, after] {
        assert_eq!(over_http1(stream, request("GET", GRANTS, &Value::Null)).await.0, 200);
    }
    running.close().await;
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused_in_the_handshake() {
    let (running, other) = (Running::start().await, ca());
    let mut stream = running.connect(Some((&other, "grantd:*:write")), "http/1.1").await;
    // In TLS 1.3 the client learns of it with its first read.
    let _ = stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let error = timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("alert"), "{error}");
    running.close().await;
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_not_waited_for() {
    let running = Running::start().await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let begun = std::time::Instant::now();
    let read = timeout(DEADLINE, silent.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    assert!(begun.elapsed() >= Duration::from_secs(4));
    running.close().await;
}

#[tokio::test]
async fn a_listener_that_closes_waits_for_no_handshake_and_for_no_idle_connection() {
    let running = Running::start().await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut idle = running.connect(Some((&running.ca, "grantd:*:write")), "http/1.1").await;
    idle.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    timeout(DEADLINE, idle.read_exact(&mut [0; 12])).await.unwrap().unwrap();
    let address = running.address;
    running.close().await;
    timeout(DEADLINE, idle.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    assert!(matches!(timeout(DEADLINE, silent.read(&mut [0; 1])).await.unwrap(), Ok(0) | Err(_)));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_reported_with_the_flag_that_changes_it() {
    let listener = AdminTlsListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = AdminTlsListener::bind(listener.local_addr()).unwrap_err().to_string();
    assert!(error.contains(&listener.local_addr().to_string()) && error.contains("--admin-listen"), "{error}");
}
