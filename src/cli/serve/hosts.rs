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

/// The names in the redeem listener's self-made certificate: the host of the public URL and, when the listener has an
/// address of its own, that address. What else this host is called is nobody's business.
pub(super) fn redeem_names(public: &Host, listening: IpAddr) -> Vec<Host> {
    unique([Some(public.clone()), specific(listening)])
}

/// The names in the admin listener's certificate: the host of the public URL, an address of its own, and loopback, where
/// tunnels to the listener begin (`ssh -L`, `kubectl port-forward`).
pub(super) fn admin_names(public: &Host, listening: IpAddr) -> Vec<Host> {
    let loopback = ["localhost", "127.0.0.1", "::1"].map(|text| text.parse().ok());
    unique([Some(public.clone()), specific(listening)].into_iter().chain(loopback))
}

/// The address, unless it stands for every address.
fn specific(address: IpAddr) -> Option<Host> {
    let address = address.to_canonical();
    if address.is_unspecified() { None } else { address.to_string().parse().ok() }
}

fn unique(hosts: impl IntoIterator<Item = Option<Host>>) -> Vec<Host> {
    let mut found: Vec<Host> = Vec::new();
    for host in hosts.into_iter().flatten() {
        if !found.contains(&host) {
            found.push(host);
        }
    }
    found
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
    fn a_certificate_names_what_the_url_and_the_listener_need_and_nothing_else() {
        let public: Host = "grants.example.com".parse().unwrap();
        let names = |hosts: Vec<Host>| hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let redeem = |listening: &str| names(redeem_names(&public, listening.parse().unwrap()));
        assert_eq!(redeem("0.0.0.0"), "grants.example.com");
        assert_eq!(redeem("::"), "grants.example.com");
        assert_eq!(redeem("192.0.2.7"), "grants.example.com 192.0.2.7");
        let admin = |listening: &str| names(admin_names(&public, listening.parse().unwrap()));
        assert_eq!(admin("0.0.0.0"), "grants.example.com localhost 127.0.0.1 ::1");
        assert_eq!(admin("127.0.0.1"), "grants.example.com 127.0.0.1 localhost ::1");
        assert_eq!(names(redeem_names(&"192.0.2.7".parse().unwrap(), "192.0.2.7".parse().unwrap())), "192.0.2.7");
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
