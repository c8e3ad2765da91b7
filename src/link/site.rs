//! Sites and the endpoints of their routers.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::grant::{GrantName, Namespace};

/// A site: its name, and the endpoints at which its router accepts links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The namespace whose grants lead to this site. One site a namespace.
    pub namespace: Namespace,
    /// The site's name.
    pub name: GrantName,
    /// Whether it is an edge site, which cannot accept links.
    pub edge: bool,
    /// Where its router listens, in configuration order.
    pub endpoints: Vec<Endpoint>,
}

/// One address at which a router accepts links.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Endpoints of one group become one Link.
    pub group: Group,
    /// What kind of router it is for.
    pub name: EndpointName,
    /// A host name or an IP address.
    pub host: Host,
    /// A TCP port.
    pub port: Port,
}

/// Four texts, as in the spec of a Link and the status of a Site (docs/protocol.md sections 4.4, 4.5).
impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Endpoint", 4)?;
        members.serialize_field("name", self.name.as_str())?;
        members.serialize_field("host", self.host.as_str())?;
        members.serialize_field("port", &self.port.to_string())?;
        members.serialize_field("group", self.group.as_str())?;
        members.end()
    }
}

/// Which connector an endpoint is for. Clients pick by exactly these names (docs/protocol.md section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointName {
    /// For interior routers.
    InterRouter,
    /// For edge routers.
    Edge,
}

impl EndpointName {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InterRouter => "inter-router",
            Self::Edge => "edge",
        }
    }
}

/// Why a part of an endpoint is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Neither `inter-router` nor `edge`.
    #[error("must be 'inter-router' or 'edge'")]
    Name,
    /// The text is not a host.
    #[error("must be a host name or an IP address, without a port")]
    Host,
    /// An address that other machines cannot reach.
    #[error("must be an address that other sites can reach, not the unspecified one")]
    UnspecifiedHost,
    /// The text or number is not a port.
    #[error("must be a port between 1 and 65535")]
    Port,
    /// The text is not a group.
    #[error("must be at most 253 letters, digits, '-', '_' or '.'")]
    Group,
}

impl FromStr for EndpointName {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "inter-router" => Ok(Self::InterRouter),
            "edge" => Ok(Self::Edge),
            _ => Err(EndpointError::Name),
        }
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text!(
    /// The group of an endpoint, `skupper-router` on most sites; may be empty (docs/protocol.md section 2.2).
    Group
);
text!(
    /// A DNS name of at most 253 bytes in lower case, or an IP address without brackets.
    Host
);

impl Default for Group {
    fn default() -> Self {
        Self("skupper-router".to_owned())
    }
}

impl FromStr for Group {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = text.len() <= 253 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if good { Ok(Self(text.to_owned())) } else { Err(EndpointError::Group) }
    }
}

impl Host {
    /// The address, when the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }
}

impl FromStr for Host {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return if ip.is_unspecified() { Err(EndpointError::UnspecifiedHost) } else { Ok(Self(ip.to_string())) };
        }
        let lower = text.to_ascii_lowercase();
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // Digits and dots alone are a mistyped address, not a name: no top-level domain is a number.
        let numeric = lower.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if lower.len() <= 253 && !numeric && lower.split('.').all(label) {
            Ok(Self(lower))
        } else {
            Err(EndpointError::Host)
        }
    }
}

/// A TCP port, not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(std::num::NonZeroU16);

impl Port {
    /// The port as a number.
    pub fn number(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u16> for Port {
    type Error = EndpointError;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        number.try_into().map(Self).map_err(|_| EndpointError::Port)
    }
}

impl FromStr for Port {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `u16::from_str` also takes a plus sign.
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(EndpointError::Port);
        }
        text.parse::<u16>().map_err(|_| EndpointError::Port)?.try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for (text, written) in
            [("West.Example.com", "west.example.com"), ("10.1.1.1", "10.1.1.1"), ("::1", "::1"), ("vm_1", "vm_1")]
        {
            assert_eq!(text.parse::<Host>().unwrap().as_str(), written);
        }
        for text in ["", "a:1", "[::1]", "1.2.3", "10.1.1.256", "a..b", "-a", "a b", "https://a"] {
            assert_eq!(text.parse::<Host>(), Err(EndpointError::Host), "{text}");
        }
        assert_eq!("0.0.0.0".parse::<Host>(), Err(EndpointError::UnspecifiedHost));
    }

    #[test]
    fn a_port_is_between_1_and_65535() {
        assert_eq!("55671".parse::<Port>().unwrap().number(), 55671);
        for text in ["", "0", "65536", "+1", "1 "] {
            assert_eq!(text.parse::<Port>(), Err(EndpointError::Port), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = (text.parse::<Host>(), text.parse::<Port>(), text.parse::<Group>(), text.parse::<EndpointName>());
        }
    }
}
