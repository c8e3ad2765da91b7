//! TCP sockets that listen, and the errors, which say what the operator can do.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{Acceptor, Peer};

/// The most connections that the kernel queues while the accept loop is busy; it refuses more.
const BACKLOG: u32 = 1024;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error(
        "cannot listen on {address}: the port is in use; stop the process that listens there or choose another address with {flag}"
    )]
    InUse {
        /// The address that was configured.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// The port is below 1024 and the process has no right to it.
    #[error(
        "cannot listen on {address}: not permitted; choose a port from 1024 on with {flag}, or grant the process CAP_NET_BIND_SERVICE"
    )]
    NotPermitted {
        /// The address that was configured.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// No interface of this machine has the address.
    #[error("cannot listen on {address}: this machine does not have that address; choose another with {flag}")]
    NotLocal {
        /// The address that was configured.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// Any other reason.
    #[error("cannot listen on {address}, which {flag} asks for")]
    Other {
        /// The address that was configured.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// A TCP socket that listens: connections wait in the kernel until they are accepted.
#[derive(Debug)]
pub struct BoundTcp {
    listener: TcpListener,
    address: SocketAddr,
}

impl BoundTcp {
    /// Listens on `address`, which `flag` sets. To be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`BindError`], which names the address and what to do.
    pub fn bind(address: SocketAddr, flag: &'static str) -> Result<Self, BindError> {
        open(address).map_err(|source| match Errno::from_io_error(&source) {
            Some(Errno::ADDRINUSE) => BindError::InUse { address, flag },
            Some(Errno::ACCESS) => BindError::NotPermitted { address, flag },
            Some(Errno::ADDRNOTAVAIL) => BindError::NotLocal { address, flag },
            Some(_) | None => BindError::Other { address, flag, source },
        })
    }

    /// Where it listens: the port the kernel chose, if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Acceptor for BoundTcp {
    type Stream = TcpStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, Peer)>> {
        self.listener.poll_accept(context).map_ok(|(stream, address)| (stream, Peer::Tcp(address)))
    }

    /// Answers are whole writes: waiting for more to send would only delay them.
    fn prepare(stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)
    }

    async fn first_bytes(stream: &TcpStream) -> io::Result<()> {
        match stream.peek(&mut [0]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn open(address: SocketAddr) -> io::Result<BoundTcp> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // After a restart, connections of the previous process are still in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok(BoundTcp { listener, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_for_a_port_in_use_names_address_and_remedy() {
        let bound = BoundTcp::bind("127.0.0.1:0".parse().unwrap(), "--listen").unwrap();
        let address = bound.local_addr();

        let error = BoundTcp::bind(address, "--listen").unwrap_err().to_string();

        assert!(
            error.contains(&address.to_string()) && error.contains("in use") && error.contains("--listen"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_has_an_error_of_its_own() {
        // TEST-NET-1 (RFC 5737): no machine has it.
        let error = BoundTcp::bind("192.0.2.1:0".parse().unwrap(), "--listen").unwrap_err();

        assert!(matches!(error, BindError::NotLocal { .. }), "{error}");
    }
}
