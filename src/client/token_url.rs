//! The URL of a token.

use hyper::Uri;

use super::redeem_error::RedeemTokenError;
use crate::link::{Host, Port};

/// A token's URL, parsed.
#[derive(Debug)]
pub(super) struct TokenUrl {
    pub(super) host: Host,
    pub(super) port: Port,
    /// Host and port as they are written in the URL, for the `Host` header and for messages.
    pub(super) authority: String,
    /// The path, and the query if there is one.
    pub(super) path: Uri,
}

const HTTPS_PORT: u16 = 443;

impl TokenUrl {
    /// Parses `https://HOST[:PORT]/PATH`.
    ///
    /// # Errors
    /// [`RedeemTokenError::BadUrl`] or [`RedeemTokenError::NotHttps`].
    pub(super) fn parse(url: &str) -> Result<Self, RedeemTokenError> {
        let bad = |what| RedeemTokenError::BadUrl { what };
        let uri: Uri = url.parse().map_err(|_| bad("is not a URL"))?;
        let scheme = uri.scheme_str().ok_or(bad("is not a whole URL"))?;
        if scheme != "https" {
            return Err(RedeemTokenError::NotHttps { scheme: scheme.to_owned() });
        }
        let authority = uri.authority().ok_or(bad("names no host"))?.as_str();
        if authority.contains('@') {
            return Err(bad("holds a user name, which no token does"));
        }
        let (host, port) = split(authority).ok_or(bad("does not name a host and a port"))?;
        let port = match port {
            None | Some("") => Port::try_from(HTTPS_PORT).map_err(|_| bad("has no port"))?,
            Some(port) => port.parse().map_err(|_| bad("has a port that is not between 1 and 65535"))?,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            host: host.parse().map_err(|_| bad("does not name a host"))?,
            port,
            authority: authority.to_owned(),
            path: path.parse().map_err(|_| bad("has no path"))?,
        })
    }
}

/// Host and port. An IPv6 address is in brackets, which distinguish its colons from the one before the port.
fn split(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return if rest.is_empty() { Some((host, None)) } else { Some((host, Some(rest.strip_prefix(':')?))) };
    }
    match authority.split_once(':') {
        None => Some((authority, None)),
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_url_names_host_port_and_path() {
        for (url, host, port, path) in [
            ("https://10.1.1.1:9090/87426fa9", "10.1.1.1", 9090, "/87426fa9"),
            ("https://West.example.com/a/b", "west.example.com", 443, "/a/b"),
            ("https://[fd00::1]:9090/a", "fd00::1", 9090, "/a"),
            ("https://[::1]", "::1", 443, "/"),
            ("HTTPS://a:/x?y=z#f", "a", 443, "/x?y=z"),
        ] {
            let parsed = TokenUrl::parse(url).unwrap();
            let read = (parsed.host.as_str(), parsed.port.number(), parsed.path.to_string());
            assert_eq!(read, (host, port, path.to_owned()), "{url}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for url in [
            "",
            "AAA",
            "/a",
            "foo://a:b",
            "https://",
            "https:///a",
            "https://a:0/",
            "https://a:65536/",
            "https://u@a/",
            "https://fd00::1:9090/a",
            "https://[fd00::1/a",
            "https://[fd00::1]9090/a",
            "https://a b/",
            "a:1",
            "https://ä/",
        ] {
            let refused = TokenUrl::parse(url);
            assert!(
                matches!(refused, Err(RedeemTokenError::BadUrl { .. } | RedeemTokenError::NotHttps { .. })),
                "{url}: {refused:?}"
            );
        }
        assert!(matches!(TokenUrl::parse("http://a/b"), Err(RedeemTokenError::NotHttps { .. })));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(https://)?.{0,60}") {
            let _ = TokenUrl::parse(&text);
        }
    }
}
