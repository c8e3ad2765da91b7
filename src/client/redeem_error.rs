//! The errors of a redemption, with messages and hints for the user of the command line.

use std::{fmt, io, net::SocketAddr, time::Duration};

use rustls::{AlertDescription, CertificateError};

use crate::{
    grant::LinkName,
    link::{DocumentError, ResourceName},
    pki::IssueError,
};

/// Why a token was not redeemed. [`hint`](Self::hint) says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum RedeemTokenError {
    /// The token's URL is not valid.
    #[error("the token's url {what}")]
    BadUrl {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The token's URL is not for TLS.
    #[error("the token's url must begin with https, not {scheme}")]
    NotHttps {
        /// The scheme of the URL.
        scheme: String,
    },
    /// The token names no certificate to trust.
    #[error("the token holds no CA certificate")]
    NoCa,
    /// The token's CA is not made of certificates.
    #[error("the token's CA holds no PEM certificate that can be read")]
    CaUnreadable,
    /// The subject cannot be sent.
    #[error("the subject must not hold control characters")]
    BadSubject,
    /// TLS cannot be set up on this side.
    #[error("cannot set up TLS 1.3")]
    TlsSetup {
        /// The reason.
        #[source]
        source: rustls::Error,
    },
    /// The URL's host name has no address.
    #[error("cannot find the address of {host}")]
    NameNotResolved {
        /// The host.
        host: String,
        /// The resolver's reason; absent when it knows the name but no address.
        #[source]
        source: Option<io::Error>,
    },
    /// No address accepts connections.
    #[error("cannot connect to {host} at {address}")]
    Connect {
        /// Host and port of the URL.
        host: String,
        /// The last address that was tried.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("cannot trust the server at {host}: {fault}")]
    Tls {
        /// Host and port of the URL.
        host: String,
        /// What is wrong.
        fault: TlsFault,
        /// The message of the TLS library.
        #[source]
        source: io::Error,
    },
    /// The deadline passed.
    #[error("not done within {} s: still {step} {host}", limit.as_secs_f32())]
    Deadline {
        /// Host and port of the URL.
        host: String,
        /// The step that was in progress.
        step: Step,
        /// How much time there was.
        limit: Duration,
    },
    /// The connection broke before an answer came.
    #[error("the connection to {host} failed before it answered")]
    Connection {
        /// Host and port of the URL.
        host: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The answer began and did not end.
    #[error("the answer of {host} was cut short")]
    CutShort {
        /// Host and port of the URL.
        host: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The answer is longer than any bundle.
    #[error("the answer of {host} is larger than any bundle")]
    TooLarge {
        /// Host and port of the URL.
        host: String,
    },
    /// The server redirects to another address. The code must be sent to the token's server only.
    #[error("{host} answered with a redirect ({status}) to {location}, which a token must not follow")]
    Redirect {
        /// Host and port of the URL.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The `Location` of the answer.
        location: String,
    },
    /// The server answered with another status than 200.
    #[error("{host} refused: {status} ({reason}){}{body}", if body.is_empty() { "" } else { " " })]
    Refused {
        /// Host and port of the URL.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What the status means.
        reason: &'static str,
        /// The text of the answer, as one trimmed line of at most 1 KiB, without the code.
        body: String,
        /// How long the client is asked to wait before it tries again (Retry-After).
        retry_after: Option<Duration>,
    },
    /// The answer is not a bundle.
    #[error("the answer of {host} is not a bundle")]
    NotABundle {
        /// Host and port of the URL.
        host: String,
        /// Why it cannot be read.
        #[source]
        source: DocumentError,
    },
    /// No request for a certificate can be made.
    #[error("cannot make a certificate request")]
    CertificateRequest {
        /// The reason.
        #[source]
        source: IssueError,
    },
    /// The answer holds a certificate, and it is not for the key that was sent.
    #[error("the answer of {host} holds a certificate for another key")]
    WrongKey {
        /// Host and port of the URL.
        host: String,
    },
    /// The answer is a bundle with another name, which could overwrite another link's files.
    #[error("the answer of {host} is named '{found}', not '{expected}'")]
    WrongName {
        /// Host and port of the URL.
        host: String,
        /// The name that was asked for.
        expected: LinkName,
        /// The name in the answer.
        found: ResourceName,
    },
}

/// The step of a redemption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Looking up the host name.
    Resolve,
    /// Opening the connection.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Sending the code, and waiting for the bundle.
    Answer,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "looking up the address of",
            Self::Connect => "connecting to",
            Self::Handshake => "setting up TLS with",
            Self::Answer => "waiting for the answer of",
        })
    }
}

const ASK_IF_IT_STAYS: &str = "try again; if it stays so, ask the operator of the listening site to look at its log";
const MAYBE_COUNTED: &str =
    "the redemption may have been counted all the same: try once more, and ask for a new token if that is refused";

impl RedeemTokenError {
    /// Whether the server may have counted a redemption all the same, and its answer was lost.
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::Deadline { step, .. } => *step == Step::Answer,
            Self::Connection { .. }
            | Self::CutShort { .. }
            | Self::TooLarge { .. }
            | Self::NotABundle { .. }
            | Self::WrongName { .. }
            | Self::WrongKey { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::BadUrl { .. }
            | Self::NotHttps { .. }
            | Self::NoCa
            | Self::CaUnreadable
            | Self::BadSubject
            | Self::TlsSetup { .. }
            | Self::NameNotResolved { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Redirect { .. }
            | Self::CertificateRequest { .. } => false,
        }
    }

    /// What to do about it, as one sentence without a full stop.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::BadUrl { .. } | Self::NotHttps { .. } | Self::NoCa | Self::CaUnreadable => Some(
                "the token file is damaged or was written by hand: compare it with the listening site's grant, or ask for a new one",
            ),
            Self::BadSubject => Some("give a subject of visible characters"),
            Self::TlsSetup { .. } | Self::CertificateRequest { .. } => None,
            Self::NameNotResolved { .. } => {
                Some("check the name server of this machine, or have the listening site issue tokens with an address")
            }
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Some("nothing listens there: check that the listening site's grant server runs, and its public address")
            }
            Self::Connect { .. } => {
                Some("check the route and the firewalls between this machine and the listening site")
            }
            Self::Tls { fault, .. } => fault.hint(),
            Self::Deadline { step: Step::Answer, .. } | Self::Connection { .. } | Self::CutShort { .. } => {
                Some(MAYBE_COUNTED)
            }
            Self::Deadline { step: Step::Resolve, .. } => Some("check the name server of this machine"),
            Self::Deadline { step: Step::Connect | Step::Handshake, .. } => {
                Some("check the route and the firewalls between this machine and the listening site, then try again")
            }
            Self::TooLarge { .. } | Self::NotABundle { .. } | Self::WrongName { .. } | Self::WrongKey { .. } => {
                Some("check that the token's url leads to a grant server, and not to a proxy or another service")
            }
            Self::Redirect { .. } => Some(
                "a proxy is in the way, or the url is not a grant server's: ask for a token with the final address",
            ),
            Self::Refused { status, .. } => refusal_hint(*status),
        }
    }
}

/// The statuses of docs/protocol.md section 1.2, and those of a server that limits its clients.
fn refusal_hint(status: u16) -> Option<&'static str> {
    match status {
        403 => Some("the code is wrong: the token file was changed, or belongs to another grant; ask for a new token"),
        404 => Some("the token is unknown, expired or used up: ask the listening site for a new one"),
        429 => Some("too many wrong codes were sent for this grant: wait a minute and try again"),
        502..=504 => Some("the server is busy or not ready: try again"),
        400 | 431 => Some("the name or the subject was not accepted: choose shorter or simpler ones"),
        409 => {
            Some("its key was used for another name or subject: give the same ones as before, or remove the key file")
        }
        405 => Some("the url does not lead to a grant server, or a proxy changed the request"),
        500 => Some("the listening site cannot issue certificates at the moment: its operator has to look at it"),
        _ => None,
    }
}

/// What is wrong with a server's TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFault {
    /// None of the token's certificates has issued the server's.
    UnknownIssuer,
    /// The certificate is for other hosts.
    WrongHost {
        /// The names and addresses that it is for, in one line; may be empty.
        names: String,
    },
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// Not a server's certificate.
    WrongPurpose,
    /// A certificate that cannot be checked.
    BadCertificate,
    /// The server speaks only older versions of TLS.
    OldProtocol,
    /// The server does not speak TLS.
    NotTls,
    /// The server closed the connection.
    HungUp,
    /// Any other failure of the handshake.
    Handshake,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => "its certificate was not issued by the token's CA",
            Self::WrongHost { names } if names.is_empty() => "its certificate names no host",
            Self::WrongHost { names } => return write!(f, "its certificate is not for this host, but for {names}"),
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::WrongPurpose => "its certificate is not one for servers",
            Self::BadCertificate => "its certificate cannot be checked",
            Self::OldProtocol => "it does not speak TLS 1.3",
            Self::NotTls => "it does not speak TLS",
            Self::HungUp => "it closed the connection in the middle of the handshake",
            Self::Handshake => "the handshake failed",
        })
    }
}

impl TlsFault {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnknownIssuer => Some(
                "the server's CA has changed since the token was issued, or this is another server: ask for a new token",
            ),
            Self::WrongHost { .. } => {
                Some("have the listening site issue tokens with a host that its serving certificate names")
            }
            Self::Expired | Self::NotYetValid => {
                Some("check the clock of this machine; if it is right, the server's certificate has to be renewed")
            }
            Self::WrongPurpose | Self::BadCertificate => Some("the listening site needs another serving certificate"),
            Self::OldProtocol | Self::NotTls => {
                Some("check that the token's url leads to a grant server, and not to a proxy or another service")
            }
            Self::HungUp | Self::Handshake => Some(ASK_IF_IT_STAYS),
        }
    }

    /// The fault that a failed handshake shows.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => Self::of_tls(error),
            None => Self::HungUp,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the TLS library's enums, which grow")]
    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) | rustls::Error::PeerIncompatible(_) => {
                Self::OldProtocol
            }
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            _ => Self::Handshake,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the TLS library's enum, which grows")]
    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::NotValidForName => Self::WrongHost { names: String::new() },
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names = presented.iter().take(5).map(|name| bare(name)).collect::<Vec<_>>().join(", ");
                Self::WrongHost { names: super::http_response::printable(names.as_bytes(), 512) }
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Self::WrongPurpose,
            _ => Self::BadCertificate,
        }
    }
}

/// `DnsName("a.example.com")` and `IpAddress(10.1.1.1)`, as the TLS library lists them, without the wrapping.
fn bare(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}
