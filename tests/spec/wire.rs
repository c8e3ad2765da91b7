//! A client that shares no code with grantd's: it writes TLS and HTTP itself, so that tests compare the bytes sent.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use grantd::link::AccessToken;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The parts of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        // An answer that was cut off does not count as one.
        let whole = headers.get("content-length")?.parse::<usize>().ok()? == body.len();
        whole.then(|| Self { status, headers, body: body.to_owned() })
    }

    /// The serial number of the certificate inside, as the ledger writes it.
    pub(crate) fn serial(&self) -> String {
        let bundle = grantd::link::Bundle::read(self.body.as_bytes()).unwrap();
        let certificate = CertificateDer::from_pem_slice(bundle.secret.certificate_pem.as_bytes()).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).unwrap();
        parsed.raw_serial().iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

/// A client that trusts one token's CA.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    connector: TlsConnector,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, token: &AccessToken) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(token.ca.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { address, connector: TlsConnector::from(Arc::new(config)) }
    }

    pub(crate) async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        // As Go does; otherwise the request waits for the acknowledgement of the handshake's last message.
        stream.set_nodelay(true)?;
        self.handshake(stream).await
    }

    /// The TLS handshake over a connection that somebody else has made.
    pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        self.connector.connect(ServerName::from(self.address.ip()), stream).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends these bytes and reads until the server closes. `None`: no whole answer came.
    pub(crate) async fn exchange(&self, request: &[u8]) -> Option<Answer> {
        let attempt = async {
            let mut stream = self.connect().await.ok()?;
            stream.write_all(request).await.ok()?;
            let mut answer = Vec::new();
            // A server that is killed ends the stream without a close_notify; what came before still counts.
            let _ = stream.read_to_end(&mut answer).await;
            Answer::parse(&answer)
        };
        tokio::time::timeout(Duration::from_secs(20), attempt).await.ok()?
    }

    /// Like [`exchange`](Self::exchange), on a connection that is open already.
    ///
    /// # Errors
    /// The handshake failed, or the connection.
    pub(crate) async fn exchange_on(&self, stream: TcpStream, request: Vec<u8>) -> io::Result<Option<Answer>> {
        let mut stream = self.connector.connect(ServerName::from(self.address.ip()), stream).await?;
        stream.write_all(&request).await?;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        Ok(Answer::parse(&answer))
    }

    /// Redeems as Skupper's clients do (docs/protocol.md section 1.1).
    pub(crate) async fn redeem(&self, token: &AccessToken, name: &str) -> Option<Answer> {
        self.exchange(&request(token, name, "")).await
    }
}

/// The request of a Go client, byte for byte but for the names.
pub(crate) fn request(token: &AccessToken, name: &str, subject: &str) -> Vec<u8> {
    let path = token.url.split('/').next_back().unwrap();
    let code = token.code.expose();
    format!(
        "POST /{path} HTTP/1.1\r\nHost: grants\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\n\
         Name: {name}\r\nSubject: {subject}\r\nAccept-Encoding: gzip\r\n\r\n{code}",
        code.len()
    )
    .into_bytes()
}
