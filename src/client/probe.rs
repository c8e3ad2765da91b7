//! Tests whether a router accepts a link.

use std::{io, time::Duration};

use rustls::AlertDescription;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    dial::{Budget, DialError, authority, dial},
    redeem_error::{Step, TlsFault},
    router_trust::{client_config, server_name},
};
use crate::{
    app::{PortFuture, ProbeFailure, Prober},
    link::{Endpoint, TlsSecret},
};

/// The time for the whole probe.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long to wait for an alert after the handshake: with TLS 1.3, a server rejects our certificate after our side of the
/// handshake is done.
const ALERT_WAIT: Duration = Duration::from_secs(1);

/// Probes routers over the network, with TLS 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkProber {
    connected_within: Duration,
    alert_within: Duration,
}

impl Default for NetworkProber {
    /// Takes 10 seconds at most; up to one of them is spent waiting for an alert about our certificate.
    fn default() -> Self {
        Self { connected_within: DEADLINE.saturating_sub(ALERT_WAIT), alert_within: ALERT_WAIT }
    }
}

impl Prober for NetworkProber {
    fn probe<'a>(&'a self, endpoint: &'a Endpoint, credentials: &'a TlsSecret) -> PortFuture<'a, (), ProbeFailure> {
        Box::pin(async move {
            self.try_link(endpoint, credentials).await.map_err(|cause| {
                let place = authority(&endpoint.host, endpoint.port);
                ProbeFailure { message: format!("{place}: {cause}") }
            })
        })
    }
}

impl NetworkProber {
    async fn try_link(&self, endpoint: &Endpoint, credentials: &TlsSecret) -> Result<(), String> {
        let host = &endpoint.host;
        let tls = client_config(credentials, host).map_err(|error| error.to_string())?;
        let name = server_name(host).ok_or("no certificate can name this host")?;
        let time = Budget::of(self.connected_within);
        let stream = dial(host, endpoint.port, &time).await.map_err(|failure| not_connected(failure, &time))?;
        let handshake = TlsConnector::from(tls).connect(name, stream);
        let mut stream = time
            .within(handshake)
            .await
            .map_err(|_| late(Step::Handshake, &time))?
            .map_err(|error| not_agreed(&error, host.as_str()))?;
        let time = Budget::of(self.alert_within);
        let accepted = acceptance(&mut stream, &time).await;
        // A proper end keeps errors out of the router's log. Whether it succeeds does not change the result.
        let _ = time.within(stream.shutdown()).await;
        accepted
    }
}

/// Whether the router accepts our certificate: one that does waits for us to send first.
async fn acceptance(stream: &mut TlsStream<TcpStream>, time: &Budget) -> Result<(), String> {
    match time.within(stream.read(&mut [0; 1])).await {
        // Accepted: the router sent nothing in that time, or a byte, or ended the connection properly.
        Err(_) | Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(not_taken(&error)),
    }
}

fn not_connected(failure: DialError, time: &Budget) -> String {
    match failure {
        DialError::NameNotResolved(_) => "the host name does not resolve".to_owned(),
        DialError::Connect(_, source) => plainly(&source),
        DialError::Deadline(step) => late(step, time),
    }
}

fn late(step: Step, time: &Budget) -> String {
    let what = match step {
        Step::Resolve => "the name server did not answer",
        Step::Connect => "no answer",
        Step::Handshake => "it took the connection and did not answer",
        Step::Answer => "no answer over TLS",
    };
    format!("{what} within {} s", time.limit().as_secs_f32())
}

/// The system's error as text, without its number.
#[expect(clippy::wildcard_enum_match_arm, reason = "the kinds are the standard library's, and grow")]
fn plainly(error: &io::Error) -> String {
    let text = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::TimedOut => "no answer",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        _ => return error.to_string(),
    };
    text.to_owned()
}

/// Why the handshake failed on our side.
fn not_agreed(error: &io::Error, host: &str) -> String {
    if let Some(refusal) = refusal(error) {
        return refusal;
    }
    match TlsFault::of(error) {
        TlsFault::UnknownIssuer => "its certificate was issued by another CA than the Secret's".to_owned(),
        TlsFault::WrongHost { names } if names.is_empty() => {
            format!("certificate does not name {host} (it names no host)")
        }
        TlsFault::WrongHost { names } => format!("certificate does not name {host} (its names: {names})"),
        TlsFault::HungUp if error.kind() == io::ErrorKind::ConnectionReset => {
            "connection reset in the middle of the handshake".to_owned()
        }
        fault @ (TlsFault::Expired
        | TlsFault::NotYetValid
        | TlsFault::WrongPurpose
        | TlsFault::BadCertificate
        | TlsFault::OldProtocol
        | TlsFault::NotTls
        | TlsFault::HungUp
        | TlsFault::Handshake) => fault.to_string(),
    }
}

/// Why the router did not keep a connection whose handshake was done on our side.
fn not_taken(error: &io::Error) -> String {
    refusal(error).unwrap_or_else(|| match tls_error(error) {
        Some(error) => format!("it ended the connection: {error}"),
        None if error.kind() == io::ErrorKind::ConnectionReset => {
            "it reset the connection after the handshake, as when it refuses our certificate".to_owned()
        }
        None => "it closed the connection after the handshake, as when it refuses our certificate".to_owned(),
    })
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// The text for an alert about our certificate.
#[expect(clippy::wildcard_enum_match_arm, reason = "the TLS library's enums, which grow")]
fn refusal(error: &io::Error) -> Option<String> {
    let Some(rustls::Error::AlertReceived(alert)) = tls_error(error) else { return None };
    let why = match alert {
        AlertDescription::UnknownCA => "it does not know our CA",
        AlertDescription::CertificateExpired => "it has expired",
        AlertDescription::CertificateRevoked => "it is revoked",
        AlertDescription::CertificateRequired => "it saw none",
        AlertDescription::UnsupportedCertificate => "it is not one for clients, or of another kind of key",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::CertificateUnknown => "certificate unknown",
        AlertDescription::AccessDenied => "access denied",
        // Our CA has the same name as the router's and another key. All CAs with the default name are like that.
        AlertDescription::DecryptError => "it does not know our CA, or our key",
        _ => return None,
    };
    Some(format!("it refused our certificate: {why}"))
}

#[cfg(test)]
mod tests;
