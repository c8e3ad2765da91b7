//! The contents of an issued client certificate. The whole profile is in this file.
//!
//! | part | value |
//! |---|---|
//! | version, serial | v3, 126 random bits |
//! | subject | CN only: [`common_name`] |
//! | validity | [`BACKDATING`] before the redemption, to [`Profile::validity`] after it, within the CA's own dates |
//! | keyUsage, critical | digitalSignature; keyEncipherment too for RSA keys |
//! | extKeyUsage | clientAuth |
//! | basicConstraints, critical | CA:FALSE |
//! | authorityKeyIdentifier | the CA's subjectKeyIdentifier, left out when the CA has none |
//! | subjectAltName, subjectKeyIdentifier | none |

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use aws_lc_rs::digest;

use super::der::{Writer, oid};
use crate::time::Timestamp;

/// How much earlier than now a certificate starts, for clocks that are behind ours.
pub(super) const BACKDATING: Duration = Duration::from_secs(5 * 60);

/// The most bytes a common name may have (RFC 5280 appendix A, `ub-common-name`, counts characters; bytes are stricter).
const COMMON_NAME_BYTES: usize = 64;
/// How much of a longer subject is kept in front of `-` and 16 hex digits.
const KEPT_BYTES: usize = COMMON_NAME_BYTES - 1 - 16;

/// The kind of key that is made for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClientKeyType {
    /// `ecdsa-p256`: every client can use it, and it costs thousands of times less than RSA.
    #[default]
    EcdsaP256,
    /// `rsa-2048`.
    Rsa2048,
    /// `rsa-3072`.
    Rsa3072,
    /// `ed25519`: not for hosts in FIPS mode.
    Ed25519,
}

impl ClientKeyType {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::EcdsaP256, Self::Rsa2048, Self::Rsa3072, Self::Ed25519];

    /// The name in flags and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Ed25519 => "ed25519",
        }
    }

    /// Whether making such a key takes a tenth of a second and more.
    pub(super) fn is_slow(self) -> bool {
        match self {
            Self::EcdsaP256 | Self::Ed25519 => false,
            Self::Rsa2048 | Self::Rsa3072 => true,
        }
    }

    pub(super) fn key_usage(self) -> KeyUsage {
        match self {
            Self::EcdsaP256 | Self::Ed25519 => KeyUsage::Signature,
            Self::Rsa2048 | Self::Rsa3072 => KeyUsage::SignatureAndEncipherment,
        }
    }
}

impl fmt::Display for ClientKeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 'ecdsa-p256', 'rsa-2048', 'rsa-3072' or 'ed25519'")]
pub struct ParseClientKeyTypeError;

impl FromStr for ClientKeyType {
    type Err = ParseClientKeyTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(ParseClientKeyTypeError)
    }
}

/// What an operator may choose about issued certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The client's key.
    pub key_type: ClientKeyType,
    /// From the redemption to the certificate's last second; never beyond the CA's last second.
    pub validity: Duration,
}

impl Default for Profile {
    /// ECDSA P-256 and five years: nothing renews a link's certificate yet (docs/protocol.md section 3.1).
    fn default() -> Self {
        Self { key_type: ClientKeyType::default(), validity: Duration::from_secs(5 * 365 * 24 * 60 * 60) }
    }
}

/// First and last second of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl Validity {
    /// The dates of a certificate issued at `now` by a CA with these dates.
    ///
    /// Both ends are cut to the CA's: a certificate is of no use while its CA is not valid, and a few verifiers refuse one
    /// whose dates reach beyond its CA's.
    pub(super) fn within(self, now: Timestamp, validity: Duration) -> Self {
        Self {
            not_before: now.saturating_sub(BACKDATING).max(self.not_before),
            not_after: now.saturating_add(validity).min(self.not_after),
        }
    }
}

/// What the certified key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyUsage {
    Signature,
    SignatureAndEncipherment,
}

impl KeyUsage {
    /// Unused bits and octets of the BIT STRING: digitalSignature is bit 0, keyEncipherment bit 2 (RFC 5280 4.2.1.3).
    fn bits(self) -> (u8, u8) {
        match self {
            Self::Signature => (7, 0b1000_0000),
            Self::SignatureAndEncipherment => (5, 0b1010_0000),
        }
    }
}

/// The common name for a subject: itself, or when it has more than 64 bytes its first 47 (cut between characters), `-`,
/// and 16 hex digits of its SHA-256, so that long subjects with the same beginning stay different.
pub(super) fn common_name(subject: &str) -> Cow<'_, str> {
    if subject.len() <= COMMON_NAME_BYTES {
        return Cow::Borrowed(subject);
    }
    let digest = digest::digest(&digest::SHA256, subject.as_bytes());
    let kept = &subject[..subject.floor_char_boundary(KEPT_BYTES)];
    let hex = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}"));
    Cow::Owned([kept, "-"].into_iter().map(str::to_owned).chain(hex).collect())
}

/// The extensions of a client certificate: the same for every client of one CA and one kind of key.
pub(super) fn write_extensions(writer: &mut Writer, key_usage: KeyUsage, ca_key_identifier: Option<&[u8]>) {
    writer.explicit(3, |w| {
        w.sequence(|w| {
            write_extension(w, oid::BASIC_CONSTRAINTS, Criticality::Critical, |w| {
                // CA:FALSE is the default, which DER leaves out.
                w.sequence(|_| {});
            });
            write_extension(w, oid::KEY_USAGE, Criticality::Critical, |w| {
                let (unused, octet) = key_usage.bits();
                w.bit_string(unused, &[octet]);
            });
            write_extension(w, oid::EXTENDED_KEY_USAGE, Criticality::Ignorable, |w| {
                w.sequence(|w| w.oid(oid::CLIENT_AUTH));
            });
            if let Some(identifier) = ca_key_identifier {
                write_extension(w, oid::AUTHORITY_KEY_IDENTIFIER, Criticality::Ignorable, |w| {
                    w.sequence(|w| w.implicit(0, identifier));
                });
            }
        });
    });
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Criticality {
    Critical,
    Ignorable,
}

fn write_extension(writer: &mut Writer, id: &[u8], criticality: Criticality, value: impl FnOnce(&mut Writer)) {
    writer.sequence(|w| {
        w.oid(id);
        if criticality == Criticality::Critical {
            w.boolean(true);
        }
        w.octet_string(value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_key_has_a_name_that_reads_back() {
        for kind in ClientKeyType::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("rsa-1024".parse::<ClientKeyType>(), Err(ParseClientKeyTypeError));
    }

    #[test]
    fn a_subject_of_64_bytes_is_the_common_name_itself() {
        assert_eq!(common_name(&"a".repeat(64)), "a".repeat(64));
    }

    #[test]
    fn a_longer_subject_ends_in_16_digits_of_its_digest() {
        // printf 'a%.0s' $(seq 65) | sha256sum
        let shortened = format!("{}-635361c48bb9eab1", "a".repeat(47));
        assert_eq!(common_name(&"a".repeat(65)), shortened);
    }

    #[test]
    fn dates_stay_within_those_of_the_ca() {
        let at = Timestamp::from_unix_seconds;
        let ca = Validity { not_before: at(1_000), not_after: at(9_000) };
        let long = ca.within(at(1_100), Duration::from_secs(100_000));
        assert_eq!((long.not_before, long.not_after), (at(1_000), at(9_000)));
        let short = ca.within(at(2_000), Duration::from_secs(60));
        assert_eq!((short.not_before, short.not_after), (at(1_700), at(2_060)));
    }

    proptest! {
        #[test]
        fn a_common_name_fits_and_different_subjects_have_different_ones(subject in "\\PC{1,120}", other in "\\PC{1,120}") {
            let name = common_name(&subject);
            prop_assert!(name.len() <= 64);
            prop_assert_eq!(subject == other, name == common_name(&other));
        }
    }
}
