//! Connections that a load balancer passes on: the header with which they begin, before TLS.

use std::{
    io::{Error, ErrorKind},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout_at},
};
use tracing::warn;

use super::{
    Network, Peer,
    proxy::{Header, LONGEST, Origin, parse},
};

/// How long a header may take, from the acceptance of the connection on. A load balancer sends it at once.
pub(super) const HEADER_DEADLINE: Duration = Duration::from_secs(3);
/// How often a faulty header is logged at most.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// The load balancers of a listener. What they pass on begins with a PROXY header. From all others such a header is no
/// beginning of TLS, so nobody else can claim an address.
#[derive(Debug, Default)]
pub struct Proxies {
    networks: Vec<Network>,
    warned_at: Mutex<Option<Instant>>,
}

impl Proxies {
    /// Those with addresses in these networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Self { networks, warned_at: Mutex::default() }
    }

    /// Whether a connection from this address begins with a header.
    pub(super) fn include(&self, peer: Peer) -> bool {
        peer.ip().is_some_and(|address| self.networks.iter().any(|network| network.contains(address)))
    }

    /// Reads the header of a connection that was accepted at this time, and nothing after it. `None`: the connection is the
    /// load balancer's own.
    ///
    /// # Errors
    /// There is no header, a faulty one, or not in time; the connection must be closed. The log says so now and then, as
    /// the load balancer is probably not configured to send one.
    pub(super) async fn client(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        proxy: Peer,
        accepted: Instant,
    ) -> std::io::Result<Option<Peer>> {
        let read = timeout_at(accepted + HEADER_DEADLINE, read(stream)).await;
        match read.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
            Ok(Origin::Proxy) => Ok(None),
            Ok(Origin::Client(address)) => Ok(Some(Peer::Tcp(address))),
            Err(error) => {
                self.warn(proxy, &error);
                Err(error)
            }
        }
    }

    fn warn(&self, proxy: Peer, error: &Error) {
        let now = Instant::now();
        let mut warned_at = self.warned_at.lock().unwrap_or_else(PoisonError::into_inner);
        if warned_at.is_none_or(|then| now.duration_since(then) >= WARNING_INTERVAL) {
            *warned_at = Some(now);
            warn!(peer = %proxy, %error, "connection closed: --proxy-protocol-from asks for a PROXY header from this address");
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Origin> {
    let mut header = Vec::with_capacity(LONGEST);
    loop {
        match parse(&header) {
            Ok(Header::Complete(origin)) => return Ok(origin),
            Ok(Header::Partial(missing)) => {
                let read = header.len();
                header.resize(read + missing, 0);
                stream.read_exact(&mut header[read..]).await?;
            }
            Err(error) => return Err(Error::new(ErrorKind::InvalidData, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        Proxies::new(vec!["192.0.2.0/24".parse().unwrap()])
    }

    fn peer(address: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap())
    }

    async fn client_of(mut stream: &[u8]) -> (std::io::Result<Option<Peer>>, &[u8]) {
        let client = proxies().client(&mut stream, peer("192.0.2.1:1"), Instant::now()).await;
        (client, stream)
    }

    #[test]
    fn only_their_connections_begin_with_a_header() {
        assert!(proxies().include(peer("192.0.2.1:1")) && proxies().include(peer("[::ffff:192.0.2.1]:1")));
        assert!(!proxies().include(peer("192.0.3.1:1")) && !proxies().include(Peer::Local));
        assert!(!Proxies::default().include(peer("192.0.2.1:1")));
    }

    #[tokio::test]
    async fn what_follows_the_header_is_left_to_tls() {
        let (client, rest) = client_of(b"PROXY TCP4 203.0.113.9 192.0.2.1 7 9090\r\n\x16\x03\x01").await;
        assert_eq!((client.unwrap(), rest), (Some(peer("203.0.113.9:7")), &b"\x16\x03\x01"[..]));

        let (client, rest) = client_of(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00\x16\x03\x01").await;
        assert_eq!((client.unwrap(), rest), (None, &b"\x16\x03\x01"[..]));
    }

    #[tokio::test]
    async fn a_missing_or_broken_header_is_an_error() {
        for stream in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefgh"[..], b"PROXY TCP4 203.0.113.9", b""] {
            assert!(client_of(stream).await.0.is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_header_is_given_up_at_its_deadline() {
        let (mut silent, _other_end) = tokio::io::duplex(64);
        let accepted = Instant::now();

        let error = proxies().client(&mut silent, peer("192.0.2.1:1"), accepted).await.unwrap_err();

        assert_eq!((error.kind(), accepted.elapsed()), (ErrorKind::TimedOut, HEADER_DEADLINE));
    }
}
