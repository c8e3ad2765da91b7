//! Names as Kubernetes checks them (DNS-1123), and the subject a client asks for.

use std::{fmt, str::FromStr};

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// More bytes than the name may have.
    #[error("must be no more than {limit} characters")]
    TooLong {
        /// The most bytes this kind of name may have.
        limit: usize,
    },
    /// Not a DNS-1123 subdomain.
    #[error(
        "must consist of lower case letters, digits, '-' or '.', and start and end with a letter or digit (for example 'my-site')"
    )]
    NotASubdomain,
    /// The text is not a DNS-1123 label.
    #[error(
        "must consist of lower case letters, digits or '-', and start and end with a letter or digit (for example 'west')"
    )]
    NotALabel,
}

fn is_label(label: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = label.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
}

fn check_length(text: &str, limit: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > limit {
        return Err(NameError::TooLong { limit });
    }
    Ok(())
}

fn check_subdomain(text: &str, limit: usize) -> Result<(), NameError> {
    check_length(text, limit)?;
    if text.split('.').all(is_label) { Ok(()) } else { Err(NameError::NotASubdomain) }
}

fn check_label(text: &str, limit: usize) -> Result<(), NameError> {
    check_length(text, limit)?;
    if is_label(text) { Ok(()) } else { Err(NameError::NotALabel) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident, $limit:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The most bytes such a name may have.
            pub const MAX_BYTES: usize = $limit;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text, Self::MAX_BYTES)?;
                Ok(Self(text.to_owned()))
            }
        }
    };
}

name!(
    /// A namespace: a DNS-1123 label of at most 63 bytes.
    Namespace,
    check_label,
    63
);
name!(
    /// The name of an AccessGrant: a DNS-1123 subdomain of at most 245 bytes, so that it can always name Links too.
    GrantName,
    check_subdomain,
    245
);
name!(
    /// The name of a bundle's Secret and Links: a DNS-1123 subdomain of at most 245 bytes.
    ///
    /// Kubernetes takes 253; `NAME-1` must fit too (docs/protocol.md section 2.3).
    LinkName,
    check_subdomain,
    245
);
name!(
    /// The name of a site's issuer: a DNS-1123 subdomain of at most 253 bytes, as it names a Kubernetes Secret.
    IssuerName,
    check_subdomain,
    253
);

impl Namespace {
    /// The namespace when none is given.
    pub const DEFAULT: &'static str = "default";
}

impl Default for Namespace {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl From<GrantName> for LinkName {
    /// What a client that sends no name gets (docs/protocol.md section 2.2); both kinds of name obey one rule.
    fn from(name: GrantName) -> Self {
        Self(name.0)
    }
}

/// The subject of a certificate, as the client sent it: 1 to 253 bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

impl Subject {
    /// The most bytes a subject may have: a site's name can be that long.
    pub const MAX_BYTES: usize = 253;

    /// The subject as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&LinkName> for Subject {
    /// An empty subject means the link's name (docs/protocol.md section 2.2); every link name is a valid subject.
    fn from(name: &LinkName) -> Self {
        Self(name.0.clone())
    }
}

/// Why a text is not a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// More than [`Subject::MAX_BYTES`].
    #[error("must be no more than {} bytes", Subject::MAX_BYTES)]
    TooLong,
    /// The bytes are not UTF-8.
    #[error("must be UTF-8 text")]
    NotUtf8,
    /// A control character, which would let a name forge log lines and break certificates' readers.
    #[error("must not contain control characters")]
    ControlCharacter,
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(SubjectError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(SubjectError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(SubjectError::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rules_of_dns_1123_decide() {
        for good in ["a", "my-site", "a.b-c.d0", "0"] {
            assert!(good.parse::<LinkName>().is_ok(), "{good}");
        }
        for bad in ["-a", "a-", ".a", "a.", "a..b", "A", "a_b", "a b", "ä", "a\n"] {
            assert_eq!(bad.parse::<LinkName>(), Err(NameError::NotASubdomain), "{bad}");
        }
        assert_eq!("a.b".parse::<Namespace>(), Err(NameError::NotALabel));
    }

    #[test]
    fn length_is_counted_in_bytes() {
        assert!("a".repeat(245).parse::<LinkName>().is_ok());
        assert_eq!("a".repeat(246).parse::<LinkName>(), Err(NameError::TooLong { limit: 245 }));
        assert_eq!("".parse::<Namespace>(), Err(NameError::Empty));
    }

    #[test]
    fn a_subject_is_any_printable_text_of_253_bytes() {
        let printable = "Zweigstelle Köln, CN=\"x\"";
        assert_eq!(printable.parse::<Subject>().unwrap().to_string(), printable);
        assert!("a".repeat(253).parse::<Subject>().is_ok());
        assert_eq!("ä".repeat(127).parse::<Subject>(), Err(SubjectError::TooLong));
        assert_eq!("a\u{7f}".parse::<Subject>(), Err(SubjectError::ControlCharacter));
        assert_eq!("a\u{85}".parse::<Subject>(), Err(SubjectError::ControlCharacter));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,300}") {
            let _ = (text.parse::<LinkName>(), text.parse::<Namespace>(), text.parse::<Subject>());
        }

        #[test]
        fn every_name_survives_a_round_trip(text in "[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\\.[a-z0-9]{1,9}){0,3}") {
            prop_assert_eq!(text.parse::<LinkName>().unwrap().to_string(), text);
        }
    }
}
