//! Everything that can go wrong with a redemption, as a status, a text and a Retry-After: the only place that decides them.
//!
//! The texts of docs/protocol.md section 1.2 are Skupper's to the letter, since they land in users' status messages.
//! Every text is a constant here, so that no internal message is sent; one contains the namespace, as Skupper's does.

use std::{borrow::Cow, time::Duration};

use hyper::StatusCode;

use super::request::{HeaderFault, RequestFault};
use crate::{
    app::{RedeemError, SiteFault},
    grant::{NameError, Refusal, SubjectError},
    metrics::RefusalReason,
    pki::CertificateRequestFault,
};

const NO_SUCH_CLAIM: &str = "No such claim";
const NO_SUCH_GRANT: &str = "No such access granted";
const INTERNAL_ERROR: &str = "Internal error";
/// A Skupper site asks again after 30 s whatever is said here; other clients may follow it.
const RETRY_AFTER_SECONDS: u16 = 5;
/// The text when a request takes too long. [`connection`](super::connection) writes it too, when hyper ends a connection.
pub(super) const TOO_SLOW: &str = "Request not received in time";

/// An answer that is not a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The status of the answer.
    pub(super) status: StatusCode,
    /// Its body without the newline at the end.
    pub(super) text: Cow<'static, str>,
    /// When a client may try again, in seconds (Retry-After); `None` when trying again is of no use.
    pub(super) retry_after_seconds: Option<u16>,
}

/// Why there is no answer of the app to pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The request's time is over; the work goes on.
    Overdue,
    /// The work ended without a result.
    Lost,
}

fn problem(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Problem {
    Problem { status, text: text.into(), retry_after_seconds: None }
}

/// The server cannot answer now, and may in a moment.
fn unavailable() -> Problem {
    Problem {
        retry_after_seconds: Some(RETRY_AFTER_SECONDS),
        ..problem(StatusCode::SERVICE_UNAVAILABLE, INTERNAL_ERROR)
    }
}

impl From<&RequestFault> for Problem {
    fn from(fault: &RequestFault) -> Self {
        match fault {
            RequestFault::Malformed => problem(StatusCode::BAD_REQUEST, "Request not valid"),
            RequestFault::Host => {
                problem(StatusCode::BAD_REQUEST, "Header host not valid: must be there once, as a host or host:port")
            }
            RequestFault::TransferCoding => {
                problem(StatusCode::NOT_IMPLEMENTED, "Transfer coding not supported: only chunked is")
            }
            RequestFault::Method => problem(StatusCode::METHOD_NOT_ALLOWED, "Only POST is supported"),
            RequestFault::BodyUnreadable => problem(StatusCode::BAD_REQUEST, "Request body not valid"),
            RequestFault::BodyTooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            RequestFault::TooSlow => problem(StatusCode::REQUEST_TIMEOUT, TOO_SLOW),
            RequestFault::Path => problem(StatusCode::NOT_FOUND, NO_SUCH_CLAIM),
            RequestFault::Header(fault) => problem(StatusCode::BAD_REQUEST, header_text(fault)),
        }
    }
}

fn header_text(fault: &HeaderFault) -> &'static str {
    match fault {
        HeaderFault::NameRepeated => "Header name not valid: must not be repeated",
        HeaderFault::Name(NameError::Empty) => "Header name not valid: must not be empty",
        HeaderFault::Name(NameError::TooLong { .. }) => "Header name not valid: must be no more than 245 characters",
        HeaderFault::Name(NameError::NotASubdomain | NameError::NotALabel) => {
            "Header name not valid: must consist of lower case letters, digits, '-' or '.', \
             and start and end with a letter or digit"
        }
        HeaderFault::SubjectRepeated => "Header subject not valid: must not be repeated",
        HeaderFault::Subject(SubjectError::Empty) => "Header subject not valid: must not be empty",
        HeaderFault::Subject(SubjectError::TooLong) => "Header subject not valid: must be no more than 253 bytes",
        HeaderFault::Subject(SubjectError::NotUtf8) => "Header subject not valid: must be UTF-8 text",
        HeaderFault::Subject(SubjectError::ControlCharacter) => {
            "Header subject not valid: must not contain control characters"
        }
        HeaderFault::Authorization => "Header authorization not valid: must be Bearer and the code, once",
    }
}

impl From<&RedeemError> for Problem {
    fn from(error: &RedeemError) -> Self {
        match error {
            RedeemError::Unknown | RedeemError::Refused(Refusal::Expired) => {
                problem(StatusCode::NOT_FOUND, NO_SUCH_CLAIM)
            }
            RedeemError::Refused(Refusal::Exhausted) => problem(StatusCode::NOT_FOUND, NO_SUCH_GRANT),
            RedeemError::Refused(Refusal::WrongCode) => {
                problem(StatusCode::FORBIDDEN, "Redemption of access token refused")
            }
            RedeemError::TooManyWrongCodes { retry_after } => Problem {
                retry_after_seconds: Some(whole_seconds(*retry_after)),
                ..problem(StatusCode::TOO_MANY_REQUESTS, "Too many wrong codes for this access token")
            },
            RedeemError::CertificateRequest(fault) => {
                problem(StatusCode::BAD_REQUEST, certificate_request_text(*fault))
            }
            RedeemError::KeyReused => problem(StatusCode::CONFLICT, "Key already used with another name or subject"),
            RedeemError::TooManyReplays => problem(StatusCode::CONFLICT, "Certificate already sent too often"),
            RedeemError::Corrupt(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "Corrupted claim"),
            RedeemError::Site(fault) => problem(StatusCode::INTERNAL_SERVER_ERROR, site_text(fault)),
            RedeemError::Issue(_) | RedeemError::SigningLost => {
                problem(StatusCode::INTERNAL_SERVER_ERROR, "Could not issue requested certificate")
            }
            // Nobody reads the answer to a client that has hung up.
            RedeemError::Gone
            | RedeemError::HungUp
            | RedeemError::Read(_)
            | RedeemError::Commit(_)
            | RedeemError::Overdue
            | RedeemError::Clock(_)
            | RedeemError::RolledBack(_) => unavailable(),
        }
    }
}

fn certificate_request_text(fault: CertificateRequestFault) -> &'static str {
    match fault {
        CertificateRequestFault::TooLong => "Certificate request not valid: too long",
        CertificateRequestFault::Malformed => "Certificate request not valid: must be PKCS#10 in DER",
        CertificateRequestFault::RsaSize => "Certificate request not valid: an RSA key must have 2048 to 4096 bits",
        CertificateRequestFault::UnsupportedKey => {
            "Certificate request not valid: the key must be RSA, ECDSA P-256 or P-384, or Ed25519"
        }
        CertificateRequestFault::Signature => {
            "Certificate request not valid: it must be signed with its own key and SHA-2"
        }
    }
}

/// At least as long as `time`.
fn whole_seconds(time: Duration) -> u16 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    u16::try_from(seconds).unwrap_or(u16::MAX)
}

fn site_text(fault: &SiteFault) -> Cow<'static, str> {
    match fault {
        SiteFault::NotDefined { namespace } => Cow::Owned(format!("Site not yet defined for {namespace}")),
        SiteFault::NoIssuer => Cow::Borrowed("Could not get issuer for requested certificate"),
        SiteFault::Edge => Cow::Borrowed("Edge sites cannot accept incoming links from remote sites"),
        SiteFault::NoEndpoints => Cow::Borrowed("No valid endpoints found for site"),
    }
}

impl From<NoAnswer> for Problem {
    fn from(why: NoAnswer) -> Self {
        match why {
            NoAnswer::Overdue => unavailable(),
            NoAnswer::Lost => problem(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR),
        }
    }
}

/// The reason in the metrics for a request that is refused before it reaches the app.
pub(super) fn reason(fault: &RequestFault) -> RefusalReason {
    match fault {
        RequestFault::Method => RefusalReason::Method,
        RequestFault::BodyUnreadable => RefusalReason::BodyUnreadable,
        RequestFault::BodyTooLarge => RefusalReason::BodyTooLarge,
        RequestFault::TooSlow => RefusalReason::TooSlow,
        RequestFault::Path => RefusalReason::Unknown,
        RequestFault::Malformed | RequestFault::Host | RequestFault::TransferCoding | RequestFault::Header(_) => {
            RefusalReason::BadHeader
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{LinkName, Subject};

    #[test]
    fn the_lengths_in_the_texts_are_those_of_the_rules() {
        let name = header_text(&HeaderFault::Name(NameError::TooLong { limit: LinkName::MAX_BYTES }));
        assert!(name.contains(&format!(" {} ", LinkName::MAX_BYTES)), "{name}");
        let subject = header_text(&HeaderFault::Subject(SubjectError::TooLong));
        assert!(subject.contains(&format!(" {} ", Subject::MAX_BYTES)), "{subject}");
    }

    #[test]
    fn a_site_fault_is_worded_as_in_the_status_of_a_grant() {
        for fault in [
            SiteFault::NotDefined { namespace: "west".parse().unwrap() },
            SiteFault::NoIssuer,
            SiteFault::Edge,
            SiteFault::NoEndpoints,
        ] {
            assert_eq!(site_text(&fault), fault.to_string());
        }
    }

    #[test]
    fn a_text_is_one_line() {
        let faults = [
            HeaderFault::NameRepeated,
            HeaderFault::Name(NameError::NotASubdomain),
            HeaderFault::Subject(SubjectError::ControlCharacter),
        ];
        for fault in faults {
            assert!(!header_text(&fault).contains(['\n', '\r']) && !header_text(&fault).contains("  "));
        }
    }
}
