//! Identity: which grant, and which state of the store.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// The uid of an AccessGrant, and the path segment under which it is redeemed (docs/protocol.md section 1.1).
///
/// Read from the 36-character hyphenated form in any case; written in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId(Uuid);

impl GrantId {
    /// A fresh random id (UUID version 4, RFC 9562).
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// The text is not a hyphenated UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID such as 87426fa9-5623-49af-a612-47d33b7a4200")]
pub struct ParseGrantIdError;

impl FromStr for GrantId {
    type Err = ParseGrantIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The uuid crate also reads braces, URNs and bare hex; a path has one spelling.
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(ParseGrantIdError);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| ParseGrantIdError)
    }
}

/// A state of the store: grows with every change, never goes back, also not across a restart.
///
/// It is Kubernetes' `resourceVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn any_case_is_read_and_lower_case_written() {
        let id: GrantId = "87426FA9-5623-49AF-A612-47D33B7A4200".parse().unwrap();
        assert_eq!(id.to_string(), "87426fa9-5623-49af-a612-47d33b7a4200");
    }

    #[test]
    fn other_spellings_of_a_uuid_are_refused() {
        for text in [
            "",
            "87426fa9562349afa61247d33b7a4200",
            "{87426fa9-5623-49af-a612-47d33b7a4200}",
            "urn:uuid:87426fa9-5623-49af-a612-47d33b7a4200",
            "87426fa9-5623-49af-a612-47d33b7a420g",
        ] {
            assert_eq!(text.parse::<GrantId>(), Err(ParseGrantIdError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,48}") {
            let _ = text.parse::<GrantId>();
        }

        #[test]
        fn every_id_survives_a_round_trip(bits in any::<u128>()) {
            let id = GrantId(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse::<GrantId>(), Ok(id));
        }
    }
}
