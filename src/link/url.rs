//! The public URL of the redeem listener.

use std::{fmt, net::IpAddr, str::FromStr};

use super::site::{EndpointError, Host, Port};
use crate::grant::GrantId;

/// `https://HOST[:PORT]`: what tokens carry, without the grant's id.
///
/// No path: Skupper's clients post to `/<uid>`, and a prefix would be one more thing to strip. Port 443 when none is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    host: Host,
    port: Port,
}

/// Why a text is no public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// Another scheme, or none.
    #[error("must start with https://")]
    NotHttps,
    /// A path, a query, a fragment or a user name.
    #[error("must be https://HOST:PORT and nothing else: no path, no query, no user name")]
    Extra,
    /// The host or the port is wrong.
    #[error(transparent)]
    Part(EndpointError),
}

impl PublicUrl {
    const DEFAULT_PORT: u16 = 443;

    /// The URL of this host and port.
    pub fn new(host: Host, port: Port) -> Self {
        Self { host, port }
    }

    /// The host, which the serving certificate must cover.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> Port {
        self.port
    }

    /// Where this grant is redeemed: `https://HOST:PORT/<uid>` (docs/protocol.md section 0).
    pub fn of_grant(&self, id: GrantId) -> String {
        format!("{self}/{id}")
    }
}

impl fmt::Display for PublicUrl {
    /// With the port always written, and brackets around an IPv6 address (RFC 3986 3.2.2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.ip() {
            Some(IpAddr::V6(ip)) => write!(f, "https://[{ip}]:{}", self.port),
            Some(IpAddr::V4(_)) | None => write!(f, "https://{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let scheme_length = "https://".len();
        if !text.get(..scheme_length).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
            return Err(PublicUrlError::NotHttps);
        }
        let rest = &text[scheme_length..];
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(PublicUrlError::Extra);
        }
        let (host, port) = split_authority(authority).ok_or(PublicUrlError::Part(EndpointError::Host))?;
        let port = match port {
            Some(port) => port.parse(),
            None => Port::try_from(Self::DEFAULT_PORT),
        };
        Ok(Self { host: host.parse().map_err(PublicUrlError::Part)?, port: port.map_err(PublicUrlError::Part)? })
    }
}

/// Takes `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT` apart.
fn split_authority(authority: &str) -> Option<(&str, Option<&str>)> {
    let Some(bracketed) = authority.strip_prefix('[') else {
        return Some(match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        });
    };
    let (host, after) = bracketed.split_once(']')?;
    if !host.contains(':') {
        return None;
    }
    match after.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => after.is_empty().then_some((host, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn host_and_port_are_read_and_written() {
        for (text, written) in [
            ("https://grants.example.com:9090", "https://grants.example.com:9090"),
            ("HTTPS://Grants.Example.com/", "https://grants.example.com:443"),
            ("https://[2001:db8::1]:9090", "https://[2001:db8::1]:9090"),
            ("https://[::1]", "https://[::1]:443"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, error) in [
            ("http://a", PublicUrlError::NotHttps),
            ("grants.example.com", PublicUrlError::NotHttps),
            ("https://a/grants", PublicUrlError::Extra),
            ("https://u@a", PublicUrlError::Extra),
            ("https://a?b", PublicUrlError::Extra),
            ("https://", PublicUrlError::Part(EndpointError::Host)),
            ("https://::1", PublicUrlError::Part(EndpointError::Host)),
            ("https://[a]:1", PublicUrlError::Part(EndpointError::Host)),
            ("https://[0::0]", PublicUrlError::Part(EndpointError::UnspecifiedHost)),
            ("https://a:0", PublicUrlError::Part(EndpointError::Port)),
            ("https://a:", PublicUrlError::Part(EndpointError::Port)),
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(https://)?.{0,60}") {
            let _ = text.parse::<PublicUrl>();
        }

        #[test]
        fn what_is_written_is_read_back(text in "https://([a-z]{1,9}(\\.[a-z]{1,9}){0,2}|\\[[1-9a-f][0-9a-f]{0,3}::[0-9a-f]{1,4}\\])(:[1-9][0-9]{0,3})?/?") {
            let url: PublicUrl = text.parse().unwrap();
            prop_assert_eq!(url.to_string().parse::<PublicUrl>(), Ok(url));
        }
    }
}
