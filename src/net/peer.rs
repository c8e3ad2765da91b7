//! The other end of a connection.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Where a connection comes from, decided once, when it is accepted. Limits, logs and the ledger take it from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP connection, from this address.
    Tcp(SocketAddr),
    /// A process on this machine, through a Unix socket.
    Local,
}

impl Peer {
    /// Its address; an IPv4 address that a dual-stack socket shows as an IPv6 one is IPv4 again.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            Self::Local => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_is_the_same_on_a_dual_stack_socket() {
        let mapped = Peer::Tcp("[::ffff:192.0.2.7]:40000".parse().unwrap());

        assert_eq!(mapped.ip(), Some("192.0.2.7".parse().unwrap()));
        assert_eq!(Peer::Local.ip(), None);
    }

    #[test]
    fn it_is_written_as_the_address_with_its_port() {
        for (peer, text) in [(Peer::Tcp("192.0.2.7:40000".parse().unwrap()), "192.0.2.7:40000"), (Peer::Local, "local")]
        {
            assert_eq!(peer.to_string(), text);
        }
    }
}
