//! Turning a token into a bundle (protocol.md section 1).

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    header::{CONNECTION, HOST, HeaderValue, LOCATION, USER_AGENT},
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use zeroize::Zeroizing;

use super::{
    exchange::{Exchange, ExchangeError, body},
    redeem_error::{RedeemTokenError, Step, TlsFault},
    target::Target,
    trust::client_config,
};
use crate::link::{AccessToken, Bundle, MAX_DOCUMENT_BYTES, ResourceName};

/// A name may have many addresses; of these, the first are tried.
const MAX_ADDRESSES: usize = 8;
const MAX_REFUSAL_BYTES: usize = 1024;

/// What a redeemer chooses.
#[derive(Debug, Clone)]
pub struct RedeemOptions {
    /// What the certificate is to be issued to: the name of the redeeming site. Empty for the token's name.
    pub subject: String,
    /// How long all of it may take.
    pub deadline: Duration,
}

/// Redeems a token: over TLS 1.3, believing the token's certificates only, following no redirect.
///
/// Each call may use up one of the token's redemptions, also one that fails after the code was sent. Needs a Tokio
/// runtime with time and I/O.
///
/// # Errors
/// [`RedeemTokenError`], none of which tells the code or a key.
pub async fn redeem(token: &AccessToken, options: &RedeemOptions) -> Result<Bundle, RedeemTokenError> {
    let target = Target::parse(&token.url)?;
    let tls = client_config(&token.ca)?;
    let request = request(&target, token, options)?;
    let time = Budget { began: Instant::now(), limit: options.deadline, host: &target.authority };

    let stream = connect(&target, &time).await?;
    let stream = time.within(Step::Handshake, handshake(tls, &target, stream)).await?;
    let answer = time.within(Step::Answer, ask(stream, request, &target.authority)).await?;

    let host = || target.authority.clone();
    let bundle = Bundle::read(&answer).map_err(|source| RedeemTokenError::NotABundle { host: host(), source })?;
    if bundle.secret.name != ResourceName::from(&token.name) {
        let (expected, found) = (token.name.clone(), bundle.secret.name);
        return Err(RedeemTokenError::WrongName { host: host(), expected, found });
    }
    Ok(bundle)
}

/// The time that all steps share.
struct Budget<'a> {
    began: Instant,
    limit: Duration,
    host: &'a str,
}

impl Budget<'_> {
    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.began.elapsed())
    }

    fn used_up(&self, step: Step) -> RedeemTokenError {
        RedeemTokenError::Deadline { host: self.host.to_owned(), step, limit: self.limit }
    }

    async fn within<T>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, RedeemTokenError>>,
    ) -> Result<T, RedeemTokenError> {
        timeout(self.left(), work).await.unwrap_or_else(|_| Err(self.used_up(step)))
    }
}

/// The request of protocol.md 1.1.
fn request(
    target: &Target,
    token: &AccessToken,
    options: &RedeemOptions,
) -> Result<Request<Full<Bytes>>, RedeemTokenError> {
    // As bytes: a subject may be in any script, and goes out as it is.
    let subject = HeaderValue::from_bytes(options.subject.as_bytes()).map_err(|_| RedeemTokenError::BadSubject)?;
    let code = Zeroizing::new(token.code.expose().as_bytes().to_vec());
    Request::builder()
        .method(Method::POST)
        .uri(target.path.clone())
        .header(HOST, &target.authority)
        .header(USER_AGENT, concat!("grantd/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .header("name", token.name.as_str())
        .header("subject", subject)
        .body(body(code))
        .map_err(|_| RedeemTokenError::BadUrl { what: "cannot be asked for" })
}

/// Tries each address of the host in turn; one that does not answer leaves time for those after it.
async fn connect(target: &Target, time: &Budget<'_>) -> Result<TcpStream, RedeemTokenError> {
    let addresses = time.within(Step::Resolve, resolve(target)).await?;
    let mut failure = time.used_up(Step::Connect);
    for (tried, address) in addresses.iter().enumerate() {
        let still_to_try = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match timeout(time.left() / still_to_try, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // One small request, one answer: nothing to gather. A socket without the option works as well.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(source)) => {
                failure = RedeemTokenError::Connect { host: target.authority.clone(), address: *address, source };
            }
            Err(_) => {}
        }
    }
    Err(failure)
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, RedeemTokenError> {
    let port = target.port.number();
    if let Some(ip) = target.host.ip() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = target.host.as_str();
    let unknown = |source| RedeemTokenError::NameNotResolved { host: host.to_owned(), source };
    let addresses: Vec<_> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|source| unknown(Some(source)))?
        .take(MAX_ADDRESSES)
        .collect();
    if addresses.is_empty() { Err(unknown(None)) } else { Ok(addresses) }
}

async fn handshake(
    tls: Arc<ClientConfig>,
    target: &Target,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, RedeemTokenError> {
    let name = ServerName::try_from(target.host.as_str().to_owned())
        .map_err(|_| RedeemTokenError::BadUrl { what: "names a host that no certificate can name" })?;
    TlsConnector::from(tls).connect(name, stream).await.map_err(|source| RedeemTokenError::Tls {
        host: target.authority.clone(),
        fault: TlsFault::of(&source),
        source,
    })
}

/// Sends the code, and takes what comes back: exactly 200 is success.
async fn ask(
    stream: TlsStream<TcpStream>,
    request: Request<Full<Bytes>>,
    host: &str,
) -> Result<Zeroizing<Vec<u8>>, RedeemTokenError> {
    let host = host.to_owned();
    let failed = |error| match error {
        ExchangeError::Connection(source) => RedeemTokenError::Connection { host: host.clone(), source },
        ExchangeError::CutShort(source) => RedeemTokenError::CutShort { host: host.clone(), source },
        ExchangeError::TooLarge => RedeemTokenError::TooLarge { host: host.clone() },
    };
    let exchange = Exchange::begin(stream, request).await.map_err(failed)?;
    let status = exchange.status();
    if status == StatusCode::OK {
        return exchange.body(MAX_DOCUMENT_BYTES).await.map_err(failed);
    }
    if let (true, Some(location)) = (status.is_redirection(), exchange.header(LOCATION)) {
        return Err(RedeemTokenError::Redirect { host, status: status.as_u16(), location });
    }
    Err(RedeemTokenError::Refused {
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or("no known status"),
        body: exchange.text(MAX_REFUSAL_BYTES).await,
        host,
    })
}

#[cfg(test)]
mod tests;
