//! The names and addresses under which this host may be known.

use std::net::{IpAddr, SocketAddr};

use crate::link::{Host, Port, PublicUrl};

/// This host's name as the system knows it, in lower case.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().to_lowercase()
}

/// This host's name and addresses without duplicates: first those that other hosts can reach, loopback last.
pub(super) fn known_as() -> Vec<Host> {
    let addresses = if_addrs::get_if_addrs().unwrap_or_default();
    let mut outside: Vec<IpAddr> = addresses.iter().filter(|a| !a.is_loopback()).map(if_addrs::Interface::ip).collect();
    outside.retain(|ip| !is_link_local(*ip));
    // IPv4 first: it is what a person would type.
    outside.sort_by_key(|ip| (ip.is_ipv6(), *ip));
    let mut hosts: Vec<Host> = Vec::new();
    let name = host_name();
    // On other hosts a name without a dot rarely resolves, so addresses are better.
    let (first, last) = if name.contains('.') { (Some(name), None) } else { (None, Some(name)) };
    let texts = first.into_iter().chain(outside.iter().map(ToString::to_string)).chain(last);
    for text in texts.chain(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]) {
        if let Ok(host) = text.parse::<Host>()
            && !hosts.contains(&host)
        {
            hosts.push(host);
        }
    }
    hosts
}

/// The URL that tokens carry when none is configured: the address of the listener or, if that is the unspecified address,
/// the first of `known_as`.
pub(super) fn default_public_url(listening: SocketAddr, known_as: &[Host]) -> Option<PublicUrl> {
    let port = Port::try_from(listening.port()).ok()?;
    let host = if listening.ip().is_unspecified() {
        known_as.first()?.clone()
    } else {
        listening.ip().to_string().parse().ok()?
    };
    Some(PublicUrl::new(host, port))
}

/// Whether the address is link-local. Other networks cannot reach it, and an IPv6 one needs a zone, which no token can carry.
fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_known_at_least_as_localhost_and_under_each_name_once() {
        let hosts = known_as();
        assert!(hosts.iter().any(|host| host.as_str() == "localhost"));
        assert!(hosts.iter().any(|host| host.as_str() == "127.0.0.1"));
        let mut unique = hosts.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), hosts.len());
    }

    #[test]
    fn the_address_listened_on_is_published_unless_it_is_every_address() {
        let known: Vec<Host> = vec!["grants.example.com".parse().unwrap()];
        let published = |listening: &str| default_public_url(listening.parse().unwrap(), &known).unwrap().to_string();
        assert_eq!(published("127.0.0.1:9090"), "https://127.0.0.1:9090");
        assert_eq!(published("[::1]:9090"), "https://[::1]:9090");
        assert_eq!(published("0.0.0.0:9090"), "https://grants.example.com:9090");
        assert_eq!(published("[::]:9443"), "https://grants.example.com:9443");
    }
}
