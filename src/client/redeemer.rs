//! Redeeming for the server itself, with the texts of Skupper for failures in a token's status
//! (docs/protocol.md section 1.5).

use std::time::Duration;

use super::{
    http_response::{printable, without},
    redeem::{RedeemOptions, redeem},
    redeem_error::RedeemTokenError,
};
use crate::{
    app::{PortFuture, RedeemFailure, Redeemer, Retry, chain},
    link::{AccessToken, Bundle, DocumentError},
    pki::RequestKey,
};

/// The time for a redemption, as in Skupper's own clients (docs/protocol.md section 1.4).
const DEADLINE: Duration = Duration::from_secs(10);
/// The most bytes of a URL in a status.
const MAX_URL_BYTES: usize = 1024;
/// The most bytes of a failure in a status.
const MAX_MESSAGE_BYTES: usize = 4096;
/// The longest pause that another site can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Redeems over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkRedeemer {
    deadline: Duration,
}

impl Default for NetworkRedeemer {
    /// Each redemption may take 10 seconds.
    fn default() -> Self {
        Self { deadline: DEADLINE }
    }
}

impl Redeemer for NetworkRedeemer {
    fn redeem<'a>(
        &'a self,
        token: &'a AccessToken,
        subject: &'a str,
        key: Option<&'a RequestKey>,
    ) -> PortFuture<'a, Bundle, RedeemFailure> {
        let options = RedeemOptions { subject: subject.to_owned(), deadline: self.deadline };
        Box::pin(async move { redeem(token, &options, key).await.map_err(|error| failure(&error, token)) })
    }
}

/// A fault of the token, and the answers that mean "not with this token" or "not this request", are final: the next attempt
/// would send the same bytes. So is an answer that is not a bundle: it has used up a redemption, and the next attempt would
/// use up another one.
fn failure(error: &RedeemTokenError, token: &AccessToken) -> RedeemFailure {
    let (message, retry) = match error {
        RedeemTokenError::NoCa => ("token does not have a CA".to_owned(), Retry::Never),
        RedeemTokenError::CaUnreadable => ("token does not have a CA that can be read".to_owned(), Retry::Never),
        RedeemTokenError::BadUrl { what } => (format!("could not parse token url: it {what}"), Retry::Never),
        RedeemTokenError::NotHttps { .. } => ("token url scheme must be https".to_owned(), Retry::Never),
        RedeemTokenError::Refused { status, reason, body, retry_after, .. } => {
            let retry = match (status, retry_after) {
                (400 | 403 | 404 | 405 | 409 | 413, _) => Retry::Never,
                (_, Some(pause)) => Retry::After((*pause).min(LONGEST_PAUSE)),
                (_, None) => Retry::Later,
            };
            (refused(*status, reason, body), retry)
        }
        RedeemTokenError::Redirect { status, location, .. } => {
            let reason = hyper::StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
            let body = format!("redirects to {location}, which a token must not follow");
            (refused(*status, reason.unwrap_or_default(), &body), Retry::Later)
        }
        RedeemTokenError::CutShort { .. }
        | RedeemTokenError::NotABundle { source: DocumentError::CutShort { .. }, .. } => {
            (undecodable(error), Retry::Later)
        }
        RedeemTokenError::TooLarge { .. }
        | RedeemTokenError::NotABundle { .. }
        | RedeemTokenError::WrongKey { .. }
        | RedeemTokenError::WrongName { .. } => (undecodable(error), Retry::Never),
        RedeemTokenError::BadSubject
        | RedeemTokenError::CertificateRequest { .. }
        | RedeemTokenError::TlsSetup { .. }
        | RedeemTokenError::NameNotResolved { .. }
        | RedeemTokenError::Connect { .. }
        | RedeemTokenError::Tls { .. }
        | RedeemTokenError::Deadline { .. }
        | RedeemTokenError::Connection { .. } => {
            let url = printable(token.url.as_bytes(), MAX_URL_BYTES);
            (format!("Controller got error: Post \"{url}\": {}", chain(error)), Retry::Later)
        }
    };
    // The other side chooses much of this text, for example the names in its certificate.
    let message = without(message.as_bytes(), token.code.expose().as_bytes());
    RedeemFailure { message: printable(&message, MAX_MESSAGE_BYTES), retry }
}

fn undecodable(error: &RedeemTokenError) -> String {
    format!("Controller could not decode response: {}", chain(error))
}

fn refused(status: u16, reason: &str, body: &str) -> String {
    format!("Controller got failed response: {status} ({reason}) {body}").trim_end().to_owned()
}

#[cfg(test)]
mod tests;
