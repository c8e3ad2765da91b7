//! Turning a token into a bundle (docs/protocol.md section 1).

use std::{sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT},
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
    link::{AccessToken, Bundle, KeyPem, MAX_DOCUMENT_BYTES, ResourceName},
    pki::RequestKey,
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
/// Each call may use up one of the token's redemptions, also one that fails after the code was sent. But if the token says
/// that its server [takes certificate requests](AccessToken::takes_certificate_requests) and `key` is given, all calls with the
/// same key, name and subject use up one together: store the key before the first call, and call again after a failure. A
/// server that refuses the code in this form is asked in the other one. Needs a Tokio runtime with time and I/O.
///
/// # Errors
/// [`RedeemTokenError`], none of which holds the code or a key.
pub async fn redeem(
    token: &AccessToken,
    options: &RedeemOptions,
    key: Option<&RequestKey>,
) -> Result<Bundle, RedeemTokenError> {
    let time = Budget::of(options.deadline);
    match key.filter(|_| token.takes_certificate_requests) {
        None => exchange(token, options, None, &time).await,
        Some(key) => match exchange(token, options, Some(key), &time).await {
            // An older server takes the request for the code, and counts nothing.
            Err(RedeemTokenError::Refused { status: 403, .. }) => exchange(token, options, None, &time).await,
            answered => answered,
        },
    }
}

/// Sends one request, and reads its answer.
async fn exchange(
    token: &AccessToken,
    options: &RedeemOptions,
    key: Option<&RequestKey>,
    time: &Budget,
) -> Result<Bundle, RedeemTokenError> {
    let url = TokenUrl::parse(&token.url)?;
    let tls = client_config(&token.ca)?;
    let request = request(&url, token, options, key)?;
    let late = |step| late(step, &url, time);

    let stream = dial(&url.host, url.port, time).await.map_err(|f| not_connected(f, &url, time))?;
    let stream = time.within(handshake(tls, &url, stream)).await.map_err(|_| late(Step::Handshake))??;
    let answer = time.within(ask(stream, request, &url.authority, &token.code)).await;
    let answer = answer.map_err(|_| late(Step::Answer))??;

    let host = || url.authority.clone();
    let own = key.map(|key| KeyPem::new(Zeroizing::new(key.pem().expose().to_owned())));
    let bundle = match &own {
        None => Bundle::read(&answer),
        Some(own) => Bundle::read_for(&answer, own),
    };
    let bundle = bundle.map_err(|source| RedeemTokenError::NotABundle { host: host(), source })?;
    if key.is_some_and(|key| !key.is_certified_by(&bundle.secret.certificate_pem)) {
        return Err(RedeemTokenError::WrongKey { host: host() });
    }
    if bundle.secret.name != ResourceName::from(&token.name) {
        let (expected, found) = (token.name.clone(), bundle.secret.name);
        return Err(RedeemTokenError::WrongName { host: host(), expected, found });
    }
    Ok(bundle)
}

/// The request of docs/protocol.md section 1.1; with a key of one's own, the one of docs/protocol.md section 1.7.
fn request(
    url: &TokenUrl,
    token: &AccessToken,
    options: &RedeemOptions,
    key: Option<&RequestKey>,
) -> Result<Request<Full<Bytes>>, RedeemTokenError> {
    // As bytes: a subject may have characters outside ASCII, and is sent as UTF-8.
    let subject = HeaderValue::from_bytes(options.subject.as_bytes()).map_err(|_| RedeemTokenError::BadSubject)?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url.path.clone())
        .header(HOST, &url.authority)
        .header(USER_AGENT, concat!("grantd/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .header("name", token.name.as_str())
        .header("subject", subject);
    let bytes = match key {
        None => Zeroizing::new(token.code.expose().as_bytes().to_vec()),
        Some(key) => {
            let bearer = Zeroizing::new(format!("Bearer {}", token.code.expose()));
            let mut bearer = HeaderValue::from_bytes(bearer.as_bytes())
                .map_err(|_| RedeemTokenError::BadUrl { what: "cannot be asked for" })?;
            bearer.set_sensitive(true);
            request = request.header(CONTENT_TYPE, "application/pkcs10").header(AUTHORIZATION, bearer);
            let made = key.certificate_request();
            Zeroizing::new(made.map_err(|source| RedeemTokenError::CertificateRequest { source })?)
        }
    };
    request.body(body(bytes)).map_err(|_| RedeemTokenError::BadUrl { what: "cannot be asked for" })
}

pub(super) fn not_connected(failure: DialError, url: &TokenUrl, time: &Budget) -> RedeemTokenError {
    match failure {
        DialError::NameNotResolved(source) => RedeemTokenError::NameNotResolved { host: url.host.to_string(), source },
        DialError::Connect(address, source) => {
            RedeemTokenError::Connect { host: url.authority.clone(), address, source }
        }
        DialError::Deadline(step) => late(step, url, time),
    }
}

pub(super) fn late(step: Step, url: &TokenUrl, time: &Budget) -> RedeemTokenError {
    RedeemTokenError::Deadline { host: url.authority.clone(), step, limit: time.limit() }
}

pub(super) async fn handshake(
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
mod own_key_tests;
#[cfg(test)]
mod tests;
