//! Turning a token into a bundle (docs/protocol.md section 1).

use std::{sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    header::{CONNECTION, HOST, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT},
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use zeroize::Zeroizing;

use super::{
    dial::{Budget, DialError, dial},
    http_response::{HttpError, HttpResponse, body},
    redeem_error::{RedeemTokenError, Step, TlsFault},
    token_url::TokenUrl,
    trust::client_config,
};
use crate::{
    grant::Code,
    link::{AccessToken, Bundle, MAX_DOCUMENT_BYTES, ResourceName},
};

const MAX_REFUSAL_BYTES: usize = 1024;
const REFUSAL_TEXT_DEADLINE: Duration = Duration::from_secs(1);

/// The options of a redemption.
#[derive(Debug, Clone)]
pub struct RedeemOptions {
    /// What the certificate is to be issued to: the name of the redeeming site. Empty for the token's name.
    pub subject: String,
    /// How long all of it may take.
    pub deadline: Duration,
}

/// Redeems a token: over TLS 1.3, trusting the token's certificates only, following no redirect.
///
/// Each call may use up one of the token's redemptions, also one that fails after the code was sent. Needs a Tokio
/// runtime with time and I/O.
///
/// # Errors
/// [`RedeemTokenError`], none of which holds the code or a key.
pub async fn redeem(token: &AccessToken, options: &RedeemOptions) -> Result<Bundle, RedeemTokenError> {
    let url = TokenUrl::parse(&token.url)?;
    let tls = client_config(&token.ca)?;
    let request = request(&url, token, options)?;
    let time = Budget::of(options.deadline);
    let late = |step| late(step, &url, &time);

    let stream = dial(&url.host, url.port, &time).await.map_err(|f| not_connected(f, &url, &time))?;
    let stream = time.within(handshake(tls, &url, stream)).await.map_err(|_| late(Step::Handshake))??;
    let answer = time.within(ask(stream, request, &url.authority, &token.code)).await;
    let answer = answer.map_err(|_| late(Step::Answer))??;

    let host = || url.authority.clone();
    let bundle = Bundle::read(&answer).map_err(|source| RedeemTokenError::NotABundle { host: host(), source })?;
    if bundle.secret.name != ResourceName::from(&token.name) {
        let (expected, found) = (token.name.clone(), bundle.secret.name);
        return Err(RedeemTokenError::WrongName { host: host(), expected, found });
    }
    Ok(bundle)
}

/// The request of docs/protocol.md section 1.1.
fn request(
    url: &TokenUrl,
    token: &AccessToken,
    options: &RedeemOptions,
) -> Result<Request<Full<Bytes>>, RedeemTokenError> {
    // As bytes: a subject may have characters outside ASCII, and is sent as UTF-8.
    let subject = HeaderValue::from_bytes(options.subject.as_bytes()).map_err(|_| RedeemTokenError::BadSubject)?;
    let code = Zeroizing::new(token.code.expose().as_bytes().to_vec());
    Request::builder()
        .method(Method::POST)
        .uri(url.path.clone())
        .header(HOST, &url.authority)
        .header(USER_AGENT, concat!("grantd/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .header("name", token.name.as_str())
        .header("subject", subject)
        .body(body(code))
        .map_err(|_| RedeemTokenError::BadUrl { what: "cannot be asked for" })
}

fn not_connected(failure: DialError, url: &TokenUrl, time: &Budget) -> RedeemTokenError {
    match failure {
        DialError::NameNotResolved(source) => RedeemTokenError::NameNotResolved { host: url.host.to_string(), source },
        DialError::Connect(address, source) => {
            RedeemTokenError::Connect { host: url.authority.clone(), address, source }
        }
        DialError::Deadline(step) => late(step, url, time),
    }
}

fn late(step: Step, url: &TokenUrl, time: &Budget) -> RedeemTokenError {
    RedeemTokenError::Deadline { host: url.authority.clone(), step, limit: time.limit() }
}

async fn handshake(
    tls: Arc<ClientConfig>,
    url: &TokenUrl,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, RedeemTokenError> {
    let name = ServerName::try_from(url.host.as_str().to_owned())
        .map_err(|_| RedeemTokenError::BadUrl { what: "names a host that no certificate can name" })?;
    TlsConnector::from(tls).connect(name, stream).await.map_err(|source| RedeemTokenError::Tls {
        host: url.authority.clone(),
        fault: TlsFault::of(&source),
        source,
    })
}

/// Sends the code and reads the answer: status 200 is success, and no other.
async fn ask(
    stream: TlsStream<TcpStream>,
    request: Request<Full<Bytes>>,
    host: &str,
    code: &Code,
) -> Result<Zeroizing<Vec<u8>>, RedeemTokenError> {
    let host = host.to_owned();
    let failed = |error| match error {
        HttpError::Connection(source) => RedeemTokenError::Connection { host: host.clone(), source },
        HttpError::CutShort(source) => RedeemTokenError::CutShort { host: host.clone(), source },
        HttpError::TooLarge => RedeemTokenError::TooLarge { host: host.clone() },
    };
    let response = HttpResponse::request(stream, request).await.map_err(failed)?;
    let status = response.status();
    if status == StatusCode::OK {
        return response.body(MAX_DOCUMENT_BYTES).await.map_err(failed);
    }
    if let (true, Some(location)) = (status.is_redirection(), response.header(LOCATION, code)) {
        return Err(RedeemTokenError::Redirect { host, status: status.as_u16(), location });
    }
    // The status decides; the text is only for people, so it is not waited for long.
    let retry_after = response.header(RETRY_AFTER, code).and_then(|seconds| seconds.parse().ok());
    Err(RedeemTokenError::Refused {
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or("no known status"),
        body: timeout(REFUSAL_TEXT_DEADLINE, response.text(MAX_REFUSAL_BYTES, code)).await.unwrap_or_default(),
        retry_after: retry_after.map(Duration::from_secs),
        host,
    })
}

#[cfg(test)]
mod tests;
