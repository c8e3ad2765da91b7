//! Whose a connection is, as far as places are shared out.

use std::{net::IpAddr, sync::Arc};

use super::Peer;
use crate::address::network_of;

/// A party that has one share of the places of a listener, however many connections it opens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The processes that may open the Unix socket.
    Local,
    /// The load balancers, for connections of which their header has not told the client yet, and for their own.
    LoadBalancers,
    /// The network of one client.
    Network(IpAddr),
    /// The user that a client certificate names, from wherever it connects.
    User(Arc<str>),
}

impl From<Peer> for Source {
    fn from(peer: Peer) -> Self {
        peer.ip().map_or(Self::Local, |address| Self::Network(network_of(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> Source {
        Source::from(Peer::Tcp(address.parse().unwrap()))
    }

    #[test]
    fn an_ipv4_address_is_one_source_whatever_its_port_and_form() {
        assert_eq!(source("192.0.2.7:1"), source("192.0.2.7:2"));
        assert_eq!(source("192.0.2.7:1"), source("[::ffff:192.0.2.7]:1"));
        assert_ne!(source("192.0.2.7:1"), source("192.0.2.8:1"));
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_source() {
        assert_eq!(source("[2001:db8:1:2::1]:1"), source("[2001:db8:1:2:ffff::9]:1"));
        assert_ne!(source("[2001:db8:1:2::1]:1"), source("[2001:db8:1:3::1]:1"));
    }

    #[test]
    fn the_unix_socket_is_one_source() {
        assert_eq!(Source::from(Peer::Local), Source::Local);
    }
}
