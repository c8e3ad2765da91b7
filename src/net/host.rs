//! Which host a request is for.

use hyper::{HeaderMap, Request, Version, header::HOST, http::uri::Authority};

/// Whether a request of HTTP/1 has the one well-formed `Host` that RFC 9112 section 3.2 asks for, which the HTTP library
/// does not check. HTTP/1.0 has requests without it.
pub fn has_one_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (None, _) => version == Version::HTTP_10,
        (Some(_), Some(_)) => false,
    }
}

/// The same for a listener that also speaks HTTP/2, where the pseudo-header `:authority` may be in the place of `Host` (RFC
/// 9113 section 8.3.1).
pub fn is_for_one_host<B>(request: &Request<B>) -> bool {
    if request.version() == Version::HTTP_2 && !request.headers().contains_key(HOST) {
        return request.uri().authority().is_some_and(|authority| is_host(authority.as_str().as_bytes()));
    }
    has_one_host(request.version(), request.headers())
}

/// Whether this is a host, and perhaps a port, without the name of a user.
fn is_host(value: &[u8]) -> bool {
    let Some(authority) = Authority::try_from(value).ok().filter(|authority| !authority.as_str().contains('@')) else {
        return false;
    };
    let port = authority.as_str().strip_prefix(authority.host());
    let is_port =
        |port: &str| port.is_empty() || port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    !authority.host().is_empty()
        && port.is_some_and(|port| port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}
