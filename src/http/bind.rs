//! Listening sockets, and what to do when there is none to be had.

use std::{io, net::SocketAddr};

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket};

/// As many connections as the kernel keeps while the accept loop is busy; more are refused by the kernel.
const BACKLOG: u32 = 1024;

/// Why a door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error(
        "cannot listen on {address}: the port is in use; stop the process that listens there or choose another address with {flag}"
    )]
    InUse {
        /// What was asked for.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// The port is below 1024 and the process has no right to it.
    #[error(
        "cannot listen on {address}: not permitted; choose a port from 1024 on with {flag}, or grant the process CAP_NET_BIND_SERVICE"
    )]
    NotPermitted {
        /// What was asked for.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// No interface of this machine has the address.
    #[error("cannot listen on {address}: this machine does not have that address; choose another with {flag}")]
    NotLocal {
        /// What was asked for.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// Anything else.
    #[error("cannot listen on {address}, which {flag} asks for")]
    Other {
        /// What was asked for.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A listening socket and the address it really has, which differs from the one asked for when that has port 0.
pub(super) fn listen(address: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), BindError> {
    open(address).map_err(|source| match Errno::from_io_error(&source) {
        Some(Errno::ADDRINUSE) => BindError::InUse { address, flag },
        Some(Errno::ACCESS) => BindError::NotPermitted { address, flag },
        Some(Errno::ADDRNOTAVAIL) => BindError::NotLocal { address, flag },
        Some(_) | None => BindError::Other { address, flag, source },
    })
}

fn open(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart finds the connections of the process before it in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_told_with_address_and_remedy() {
        let (_listener, address) = listen("127.0.0.1:0".parse().unwrap(), "--listen").unwrap();

        let error = listen(address, "--listen").unwrap_err().to_string();

        assert!(
            error.contains(&address.to_string()) && error.contains("in use") && error.contains("--listen"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_foreign_address_is_told_apart() {
        // TEST-NET-1 (RFC 5737): no machine has it.
        let error = listen("192.0.2.1:0".parse().unwrap(), "--listen").unwrap_err();

        assert!(matches!(error, BindError::NotLocal { .. }), "{error}");
    }
}
