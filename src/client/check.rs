//! Finding out whether a token can be redeemed, without redeeming it.
//!
//! Skupper's server and this one look at the code last (docs/protocol.md section 1.2), so the answer to a wrong code tells
//! whether the grant is open. An empty code is always wrong: it uses up no redemption, and is no attempt to guess one.

use std::time::Duration;

use hyper::{
    Method, Request, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, DATE, HOST, USER_AGENT},
};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{
    dial::{Budget, dial},
    http_response::{HttpError, HttpResponse, body},
    redeem::{handshake, late, not_connected},
    redeem_error::{RedeemTokenError, Step},
    token_url::TokenUrl,
    trust::client_config,
};
use crate::{link::AccessToken, time::Timestamp};

const MAX_TEXT_BYTES: usize = 1024;
const TEXT_DEADLINE: Duration = Duration::from_secs(1);
/// The text about a grant that is used up (docs/protocol.md section 1.2).
const USED_UP: &str = "No such access granted";

/// What the token's server says about its grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantAnswer {
    /// It can be redeemed by whoever has the code.
    Open,
    /// There is none: it is unknown, deleted or expired, which servers do not tell apart.
    Unknown,
    /// All redemptions are used up.
    UsedUp,
    /// The server cannot tell now.
    NotNow {
        /// The status.
        status: u16,
    },
    /// An answer that no grant server gives.
    Strange {
        /// The status.
        status: u16,
        /// The beginning of the text.
        text: String,
    },
}

/// The answer of a token's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedToken {
    /// About the grant.
    pub grant: GrantAnswer,
    /// What the server's clock showed, if it said so.
    pub server_time: Option<Timestamp>,
}

/// Asks the token's server, over TLS 1.3, trusting the token's certificates only. Uses up no redemption. Whether the code is
/// right cannot be found out in this way. Needs a Tokio runtime with time and I/O.
///
/// # Errors
/// [`RedeemTokenError`] when the server cannot be reached or trusted.
pub async fn check(token: &AccessToken, deadline: Duration) -> Result<CheckedToken, RedeemTokenError> {
    let time = Budget::of(deadline);
    let url = TokenUrl::parse(&token.url)?;
    let tls = client_config(&token.ca)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.path.clone())
        .header(HOST, &url.authority)
        .header(USER_AGENT, concat!("grantd/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .header(CONTENT_LENGTH, "0")
        .header("name", token.name.as_str())
        .header("subject", "");
    let request = request.body(body(Zeroizing::default()));
    let request = request.map_err(|_| RedeemTokenError::BadUrl { what: "cannot be asked for" })?;
    let late = |step| late(step, &url, &time);

    let stream = dial(&url.host, url.port, &time).await.map_err(|failure| not_connected(failure, &url, &time))?;
    let stream = time.within(handshake(tls, &url, stream)).await.map_err(|_| late(Step::Handshake))??;
    let answer = time.within(HttpResponse::request(stream, request)).await.map_err(|_| late(Step::Answer))?;
    let response = answer.map_err(|error| failed(error, &url))?;
    let server_time = response.header(DATE, &token.code).and_then(|text| Timestamp::from_http_date(&text));
    let status = response.status();
    let text = timeout(TEXT_DEADLINE, response.text(MAX_TEXT_BYTES, &token.code)).await.unwrap_or_default();
    Ok(CheckedToken { grant: meaning(status, text), server_time })
}

fn failed(error: HttpError, url: &TokenUrl) -> RedeemTokenError {
    let host = url.authority.clone();
    match error {
        HttpError::Connection(source) => RedeemTokenError::Connection { host, source },
        HttpError::CutShort(source) => RedeemTokenError::CutShort { host, source },
        HttpError::TooLarge => RedeemTokenError::TooLarge { host },
    }
}

fn meaning(status: StatusCode, text: String) -> GrantAnswer {
    match status.as_u16() {
        // Too many wrong codes are noticed after everything else, so the grant is open.
        403 | 429 => GrantAnswer::Open,
        404 if text == USED_UP => GrantAnswer::UsedUp,
        404 => GrantAnswer::Unknown,
        status @ (408 | 502..=504) => GrantAnswer::NotNow { status },
        status => GrantAnswer::Strange { status, text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_skupper_s_server_are_understood() {
        let meaning = |status: u16, text: &str| meaning(StatusCode::from_u16(status).unwrap(), text.to_owned());
        assert_eq!(meaning(403, "Redemption of access token refused"), GrantAnswer::Open);
        assert_eq!(meaning(404, "No such claim"), GrantAnswer::Unknown);
        assert_eq!(meaning(404, "No such access granted"), GrantAnswer::UsedUp);
        assert_eq!(meaning(404, "<html>"), GrantAnswer::Unknown);
        assert_eq!(meaning(503, "Internal error"), GrantAnswer::NotNow { status: 503 });
        for status in [200, 400, 405, 500] {
            assert_eq!(meaning(status, "x"), GrantAnswer::Strange { status, text: "x".to_owned() });
        }
    }
}
