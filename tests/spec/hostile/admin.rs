//! Users of the admin listener with certificates, who write HTTP themselves.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::distance::connect_with;
use crate::server::Server;

/// How long an administrator waits for an answer.
const GIVE_UP: Duration = Duration::from_secs(10);

/// A server that listens for kubectl, with a site in the namespace `default`.
pub(super) fn listening() -> Server {
    Server::start_with(&["--admin-listen", "127.0.0.1:0"])
}

/// The address of the admin listener.
pub(super) fn address(server: &Server) -> SocketAddr {
    let line = server.banner.lines().find(|line| line.trim_start().starts_with("kubectl")).unwrap();
    let (_, text) = line.split_once("listening on ").unwrap();
    text.split([';', ')']).next().unwrap().parse().unwrap()
}

/// Somebody who talks to the admin listener.
#[derive(Clone)]
pub(super) struct Caller {
    address: SocketAddr,
    from: IpAddr,
    connector: TlsConnector,
    /// The size of the buffer for received bytes; `None`: the system's.
    buffer: Option<u32>,
}

impl Caller {
    /// The user of a kubeconfig that is made with these arguments.
    pub(super) fn user(server: &Server, from: IpAddr, arguments: &[&str]) -> Self {
        let text = server.ok(&[&["kubeconfig"], arguments].concat());
        let config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let decoded = |value: &serde_json::Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
        let user = &config["users"][0]["user"];
        let chain =
            CertificateDer::pem_slice_iter(&decoded(&user["client-certificate-data"])).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(&decoded(&user["client-key-data"])).unwrap();
        Self::new(server, from, Some((chain, key)))
    }

    /// Somebody without a certificate.
    pub(super) fn stranger(server: &Server, from: IpAddr) -> Self {
        Self::new(server, from, None)
    }

    fn new(
        server: &Server,
        from: IpAddr,
        identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        let ca = std::fs::read(server.data_dir.join("server-ca/tls.crt"));
        let text = server.ok(&["kubeconfig"]);
        let config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let named = &config["clusters"][0]["cluster"]["certificate-authority-data"];
        let trusted = named.as_str().map(|text| STANDARD.decode(text).unwrap()).or(ca.ok()).unwrap();
        for certificate in CertificateDer::pem_slice_iter(&trusted) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        Self { address: address(server), from, connector: TlsConnector::from(Arc::new(config)), buffer: None }
    }

    /// One whose system takes few bytes that it does not read: what is sent to it stays with the server.
    pub(super) fn with_small_buffer(self) -> Self {
        Self { buffer: Some(4096), ..self }
    }

    pub(super) async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = connect_with(self.from, self.address, self.buffer).await?;
        self.connector.connect(ServerName::from(self.address.ip()), stream).await
    }

    /// Connects and sends these bytes; what follows is the caller's.
    pub(super) async fn begin(&self, request: &[u8]) -> io::Result<TlsStream<TcpStream>> {
        let mut stream = self.connect().await?;
        stream.write_all(request).await?;
        stream.flush().await?;
        Ok(stream)
    }

    /// The status and the text of an answer, on a connection of its own. `None`: no answer in time.
    pub(super) async fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        self.exchange(&request(method, path, body)).await
    }

    /// Like [`ask`](Self::ask) with the bytes of the request.
    pub(super) async fn exchange(&self, request: &[u8]) -> Option<(u16, String)> {
        let attempt = async {
            let mut stream = self.begin(request).await.ok()?;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            let text = String::from_utf8_lossy(&answer).into_owned();
            Some((text.split(' ').nth(1)?.parse().ok()?, text))
        };
        timeout(GIVE_UP, attempt).await.ok()?
    }
}

/// A request, after whose answer the server closes.
pub(super) fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: grantd\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
