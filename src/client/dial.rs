//! Opening a connection within a time that several steps share.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::LazyLock,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    time::{error::Elapsed, timeout},
};

use super::{lookup::Lookups, redeem_error::Step};
use crate::{
    app::beneficiary,
    link::{Host, Port},
};

/// The most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;

/// The look-ups of this process.
static LOOKUPS: LazyLock<Lookups> = LazyLock::new(Lookups::by_the_system);

/// The time that all steps share.
pub(super) struct Budget {
    began: Instant,
    limit: Duration,
}

impl Budget {
    /// A deadline that begins to run now.
    pub(super) fn of(limit: Duration) -> Self {
        Self { began: Instant::now(), limit }
    }

    /// How much time there was at the beginning.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// The result of `work`, or an error when the time is used up before it ends.
    pub(super) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        timeout(self.left(), work).await
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.began.elapsed())
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum DialError {
    /// The host name has no address. The resolver's reason is absent when it knows the name.
    NameNotResolved(Option<io::Error>),
    /// No address accepted a connection: the last one that was tried, and its error.
    Connect(SocketAddr, io::Error),
    /// The time was used up in this step.
    Deadline(Step),
}

/// Tries each address of the host in turn; one that does not answer leaves time for those after it.
pub(super) async fn dial(host: &Host, port: Port, time: &Budget) -> Result<TcpStream, DialError> {
    let addresses = time.within(resolve(host, port)).await.map_err(|_| DialError::Deadline(Step::Resolve))??;
    let mut failure = DialError::Deadline(Step::Connect);
    for (tried, address) in addresses.iter().enumerate() {
        let still_to_try = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match timeout(time.left() / still_to_try, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Every message is small and the other side waits for it, so delaying it to gather more is of no use.
                // A failure to set the option is harmless.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(source)) => failure = DialError::Connect(*address, source),
            Err(_) => {}
        }
    }
    Err(failure)
}

async fn resolve(host: &Host, port: Port) -> Result<Vec<SocketAddr>, DialError> {
    let port = port.number();
    if let Some(ip) = host.ip() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let looked_up = LOOKUPS.addresses(&beneficiary(), host.as_str(), port).await;
    let mut addresses = looked_up.map_err(|source| DialError::NameNotResolved(Some(source)))?;
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() { Err(DialError::NameNotResolved(None)) } else { Ok(addresses) }
}

/// Host and port for people, with brackets around an IPv6 address (RFC 3986 3.2.2).
pub(super) fn authority(host: &Host, port: Port) -> String {
    match host.ip() {
        Some(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        Some(IpAddr::V4(_)) | None => format!("{host}:{port}"),
    }
}
