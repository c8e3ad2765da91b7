//! Writes DER (X.690), as much of it as certificates and requests for them need.

use crate::time::Timestamp;

/// Identifier octets.
mod tag {
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const INTEGER: u8 = 0x02;
    pub(super) const BIT_STRING: u8 = 0x03;
    pub(super) const OCTET_STRING: u8 = 0x04;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const OID: u8 = 0x06;
    pub(super) const UTF8_STRING: u8 = 0x0c;
    pub(super) const UTC_TIME: u8 = 0x17;
    pub(super) const GENERALIZED_TIME: u8 = 0x18;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
}

/// Object identifiers, as the content octets of an OBJECT IDENTIFIER.
pub(super) mod oid {
    /// 2.5.4.3, commonName.
    pub(in super::super) const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    /// 2.5.29.15, keyUsage.
    pub(in super::super) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
    /// 2.5.29.19, basicConstraints.
    pub(in super::super) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
    /// 2.5.29.35, authorityKeyIdentifier.
    pub(in super::super) const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];
    /// 2.5.29.37, extKeyUsage.
    pub(in super::super) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
    /// 1.3.6.1.5.5.7.3.2, id-kp-clientAuth.
    pub(in super::super) const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
    /// 1.2.840.10045.2.1, id-ecPublicKey.
    pub(in super::super) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    /// 1.2.840.10045.3.1.7, secp256r1.
    pub(in super::super) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    /// 1.3.132.0.34, secp384r1.
    pub(in super::super) const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    /// 1.2.840.113549.1.1.1, rsaEncryption.
    pub(in super::super) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    /// 1.2.840.10045.4.3.2, ecdsa-with-SHA256.
    pub(in super::super) const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    /// 1.2.840.10045.4.3.3, ecdsa-with-SHA384.
    pub(in super::super) const ECDSA_WITH_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
    /// 1.2.840.113549.1.1.11, sha256WithRSAEncryption.
    pub(in super::super) const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    /// 1.3.101.112, id-Ed25519.
    pub(in super::super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
}

/// A growing piece of DER.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// An empty writer that can take `capacity` bytes without moving.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// What has been written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Bytes that are DER already.
    pub(super) fn raw(&mut self, der: &[u8]) {
        self.0.extend_from_slice(der);
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.primitive(tag::BOOLEAN, &[if value { 0xff } else { 0x00 }]);
    }

    /// An INTEGER that is not negative, from its big-endian bytes.
    pub(super) fn unsigned_integer(&mut self, magnitude: &[u8]) {
        let start = magnitude.iter().position(|byte| *byte != 0).unwrap_or(magnitude.len());
        let digits = &magnitude[start..];
        // A leading one bit would make it negative, and an INTEGER has at least one octet.
        let padding: &[u8] = if digits.first().is_none_or(|first| first & 0x80 != 0) { &[0] } else { &[] };
        self.header(tag::INTEGER, padding.len() + digits.len());
        self.raw(padding);
        self.raw(digits);
    }

    /// A BIT STRING whose last octet has `unused_bits` (0 to 7) that do not count.
    pub(super) fn bit_string(&mut self, unused_bits: u8, octets: &[u8]) {
        self.header(tag::BIT_STRING, 1 + octets.len());
        self.0.push(unused_bits);
        self.raw(octets);
    }

    /// An OCTET STRING around whatever `contents` writes.
    pub(super) fn octet_string(&mut self, contents: impl FnOnce(&mut Self)) {
        self.constructed(tag::OCTET_STRING, contents);
    }

    pub(super) fn null(&mut self) {
        self.primitive(tag::NULL, &[]);
    }

    /// An OBJECT IDENTIFIER, from its content octets; see [`oid`].
    pub(super) fn oid(&mut self, content: &[u8]) {
        self.primitive(tag::OID, content);
    }

    pub(super) fn utf8_string(&mut self, text: &str) {
        self.primitive(tag::UTF8_STRING, text.as_bytes());
    }

    /// A Time as certificates want it: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5).
    pub(super) fn time(&mut self, instant: Timestamp) {
        let t = instant.to_offset_date_time();
        let in_utc_time = t.year() < 2050;
        let digits = if in_utc_time { 2 } else { 4 };
        let pairs = [u8::from(t.month()), t.day(), t.hour(), t.minute(), t.second()];
        self.header(if in_utc_time { tag::UTC_TIME } else { tag::GENERALIZED_TIME }, digits + 2 * pairs.len() + 1);
        let year = t.year().unsigned_abs();
        if !in_utc_time {
            self.two_digits(year / 100);
        }
        self.two_digits(year % 100);
        pairs.into_iter().for_each(|pair| self.two_digits(u32::from(pair)));
        self.0.push(b'Z');
    }

    pub(super) fn sequence(&mut self, contents: impl FnOnce(&mut Self)) {
        self.constructed(tag::SEQUENCE, contents);
    }

    pub(super) fn set(&mut self, contents: impl FnOnce(&mut Self)) {
        self.constructed(tag::SET, contents);
    }

    /// `[number] EXPLICIT` around whatever `contents` writes; `number` is at most 30.
    pub(super) fn explicit(&mut self, number: u8, contents: impl FnOnce(&mut Self)) {
        self.constructed(0xa0 | number, contents);
    }

    /// `[number] IMPLICIT` of a primitive type with this content; `number` is at most 30.
    pub(super) fn implicit(&mut self, number: u8, content: &[u8]) {
        self.primitive(0x80 | number, content);
    }

    fn two_digits(&mut self, number: u32) {
        for digit in [number / 10 % 10, number % 10] {
            self.0.push(b'0' + u8::try_from(digit).unwrap_or_default());
        }
    }

    fn primitive(&mut self, tag: u8, content: &[u8]) {
        self.header(tag, content.len());
        self.raw(content);
    }

    fn header(&mut self, tag: u8, length: usize) {
        self.0.push(tag);
        let (octets, count) = length_octets(length);
        self.raw(&octets[..count]);
    }

    fn constructed(&mut self, tag: u8, contents: impl FnOnce(&mut Self)) {
        self.0.push(tag);
        // One octet is reserved, which is enough for most lengths; for a longer one the contents are moved.
        self.0.push(0);
        let start = self.0.len();
        contents(self);
        let (octets, count) = length_octets(self.0.len() - start);
        self.0.splice(start - 1..start, octets[..count].iter().copied());
    }
}

/// The octets of a definite length, the fewest possible, and how many of them count.
fn length_octets(length: usize) -> ([u8; 1 + size_of::<usize>()], usize) {
    let mut octets = [0; 1 + size_of::<usize>()];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => {
            octets[0] = short;
            (octets, 1)
        }
        Ok(_) | Err(_) => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let count = bytes.len() - zeros;
            octets[0] = 0x80 | u8::try_from(count).unwrap_or_default();
            octets[1..=count].copy_from_slice(&bytes[zeros..]);
            (octets, 1 + count)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use x509_parser::{
        asn1_rs::{Any, BitString, FromDer, Integer, OctetString, Oid, Utf8String},
        time::ASN1Time,
    };

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.into_bytes()
    }

    fn seconds(instant: &str) -> Timestamp {
        instant.parse().unwrap()
    }

    #[test]
    fn lengths_take_the_fewest_octets() {
        for (length, header) in [
            (0, &[0x04_u8, 0x00][..]),
            (127, &[0x04, 0x7f]),
            (128, &[0x04, 0x81, 0x80]),
            (255, &[0x04, 0x81, 0xff]),
            (256, &[0x04, 0x82, 0x01, 0x00]),
            (65_535, &[0x04, 0x82, 0xff, 0xff]),
            (65_536, &[0x04, 0x83, 0x01, 0x00, 0x00]),
        ] {
            let content = vec![0xaa; length];
            let der = written(|w| w.octet_string(|w| w.raw(&content)));
            assert_eq!(&der[..header.len()], header, "{length}");
            assert_eq!(der.len(), header.len() + length);
        }
    }

    #[test]
    fn years_from_2050_are_written_with_four_digits() {
        assert_eq!(written(|w| w.time(seconds("2049-12-31T23:59:59Z"))), b"\x17\x0d491231235959Z");
        assert_eq!(written(|w| w.time(seconds("2050-01-01T00:00:00Z"))), b"\x18\x0f20500101000000Z");
        assert_eq!(written(|w| w.time(seconds("9999-12-31T23:59:59Z"))), b"\x18\x0f99991231235959Z");
    }

    #[test]
    fn object_identifiers_are_what_they_are_called() {
        for (content, dotted) in [
            (oid::COMMON_NAME, "2.5.4.3"),
            (oid::KEY_USAGE, "2.5.29.15"),
            (oid::BASIC_CONSTRAINTS, "2.5.29.19"),
            (oid::AUTHORITY_KEY_IDENTIFIER, "2.5.29.35"),
            (oid::EXTENDED_KEY_USAGE, "2.5.29.37"),
            (oid::CLIENT_AUTH, "1.3.6.1.5.5.7.3.2"),
            (oid::EC_PUBLIC_KEY, "1.2.840.10045.2.1"),
            (oid::P256, "1.2.840.10045.3.1.7"),
            (oid::P384, "1.3.132.0.34"),
            (oid::RSA_ENCRYPTION, "1.2.840.113549.1.1.1"),
            (oid::ECDSA_WITH_SHA256, "1.2.840.10045.4.3.2"),
            (oid::ECDSA_WITH_SHA384, "1.2.840.10045.4.3.3"),
            (oid::SHA256_WITH_RSA, "1.2.840.113549.1.1.11"),
            (oid::ED25519, "1.3.101.112"),
        ] {
            let der = written(|w| w.oid(content));
            let (rest, read) = Oid::from_der(&der).unwrap();
            assert!(rest.is_empty());
            assert_eq!(read.to_id_string(), dotted);
        }
    }

    proptest! {
        #[test]
        fn every_integer_reads_back(magnitude in proptest::collection::vec(any::<u8>(), 0..40)) {
            let der = written(|w| w.unsigned_integer(&magnitude));
            let (rest, read) = Integer::from_der(&der).unwrap();
            prop_assert!(rest.is_empty());
            let digits: Vec<u8> = magnitude.into_iter().skip_while(|byte| *byte == 0).collect();
            let padding = usize::from(digits.first().is_none_or(|first| first & 0x80 != 0));
            prop_assert_eq!(read.as_ref(), [vec![0; padding], digits].concat());
        }

        #[test]
        fn every_text_reads_back(text in ".{0,300}") {
            let der = written(|w| w.utf8_string(&text));
            let (rest, read) = Utf8String::from_der(&der).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(read.as_ref(), text);
        }

        #[test]
        fn every_bit_string_reads_back(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let der = written(|w| w.bit_string(0, &octets));
            let (rest, read) = BitString::from_der(&der).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(read.as_ref(), &octets[..]);
        }

        #[test]
        fn nesting_reads_back(length in 0_usize..70_000) {
            let content = vec![0x5a; length];
            let der = written(|w| w.sequence(|w| w.explicit(3, |w| w.octet_string(|w| w.raw(&content)))));
            let (rest, outer) = Any::from_der(&der).unwrap();
            prop_assert!(rest.is_empty());
            let (rest, middle) = Any::from_der(outer.data).unwrap();
            prop_assert!(rest.is_empty());
            let (rest, inner) = OctetString::from_der(middle.data).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(inner.as_ref(), &content[..]);
        }

        #[test]
        fn every_instant_reads_back(instant in 0_i64..253_402_300_800) {
            let der = written(|w| w.time(Timestamp::from_unix_seconds(instant)));
            let (rest, read) = ASN1Time::from_der(&der).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(read.timestamp(), instant);
        }
    }
}
