//! The ledger's record of a redemption and its certificate.

use std::{fmt, net::IpAddr};

use super::{
    id::GrantId,
    name::{LinkName, Subject},
};
use crate::time::Timestamp;

/// The serial number of an issued certificate: 16 bytes with 126 random bits, positive and never zero (RFC 5280 4.1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber([u8; 16]);

impl SerialNumber {
    /// The serial made of these random bytes: the top bit is cleared, the next one set, so that every serial has the
    /// same length and is positive.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[0] = bytes[0] & 0x7f | 0x40;
        Self(bytes)
    }

    /// The serial with these bytes, as it was stored.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Big-endian bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SerialNumber {
    /// Upper-case hex, as `openssl x509 -serial` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// SHA-256 of the certificate's SubjectPublicKeyInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyFingerprint([u8; 32]);

impl KeyFingerprint {
    /// The fingerprint with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyFingerprint {
    /// Lower-case hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What the ledger keeps of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateRecord {
    /// Its serial number.
    pub serial: SerialNumber,
    /// The fingerprint of the key that it certifies.
    pub key_fingerprint: KeyFingerprint,
    /// Its last second of validity.
    pub not_after: Timestamp,
}

/// One row of the ledger: one counted use of a grant. Written once, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redemption {
    /// The grant that was redeemed.
    pub grant_id: GrantId,
    /// 1 for the grant's first redemption, then without gaps.
    pub ordinal: u32,
    /// When it was counted.
    pub redeemed_at: Timestamp,
    /// The name of the Secret and the Links.
    pub link_name: LinkName,
    /// The whole subject, also when the certificate's common name is a shortened one.
    pub subject: Subject,
    /// Where the request came from, when that is known.
    pub peer: Option<IpAddr>,
    /// The issued certificate.
    pub certificate: CertificateRecord,
}

/// How a redemption was answered once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplayKind {
    /// With the same certificate, for the same key of the client's own.
    Replayed,
    /// With a new key and certificate, within the retry window.
    Reissued,
}

/// A redemption that was answered once more, which was not counted again. Written once, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The grant.
    pub grant_id: GrantId,
    /// Which of its redemptions was repeated.
    pub ordinal: u32,
    /// 1 for the first repetition of that redemption, then without gaps.
    pub number: u32,
    /// With the same certificate or a new one.
    pub kind: ReplayKind,
    /// When it was recorded.
    pub replayed_at: Timestamp,
    /// Where the request came from, when that is known.
    pub peer: Option<IpAddr>,
    /// The certificate that was sent.
    pub certificate: CertificateRecord,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_positive_and_has_16_bytes() {
        for byte in 0..=u8::MAX {
            let serial = SerialNumber::from_random([byte; 16]);
            assert!((0x40..0x80).contains(&serial.as_bytes()[0]));
        }
        assert_eq!(SerialNumber::from_random([0xab; 16]).to_string(), "6BABABABABABABABABABABABABABABAB");
    }
}
