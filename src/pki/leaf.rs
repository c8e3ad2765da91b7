//! Assembles a client certificate, byte by byte.
//!
//! The issuer's name and key identifier are copied from the CA certificate unchanged, because verifiers compare names as
//! bytes: a library that parses a name and encodes it again may change it, and then the chain does not verify.

use super::{
    der::Writer,
    profile::{self, KeyUsage, Validity},
};
use crate::grant::SerialNumber;

/// More than any client certificate of ours has, RSA signatures included.
const CAPACITY: usize = 2_048;

/// What all certificates of one CA have in common, written once.
pub(super) struct Template {
    /// AlgorithmIdentifier of the CA's signatures.
    algorithm: Vec<u8>,
    /// The CA's subject.
    issuer: Vec<u8>,
    signature_extensions: Vec<u8>,
    encipherment_extensions: Vec<u8>,
}

/// What differs from certificate to certificate.
pub(super) struct Leaf<'a> {
    pub(super) serial: SerialNumber,
    pub(super) common_name: &'a str,
    pub(super) validity: Validity,
    /// The whole SubjectPublicKeyInfo.
    pub(super) public_key: &'a [u8],
    pub(super) key_usage: KeyUsage,
}

impl Template {
    /// For a CA that signs with `algorithm` and has this subject and subjectKeyIdentifier.
    pub(super) fn new(algorithm: Vec<u8>, issuer: &[u8], key_identifier: Option<&[u8]>) -> Self {
        let extensions = |usage| {
            let mut writer = Writer::default();
            profile::write_extensions(&mut writer, usage, key_identifier);
            writer.into_bytes()
        };
        Self {
            algorithm,
            issuer: issuer.to_owned(),
            signature_extensions: extensions(KeyUsage::Signature),
            encipherment_extensions: extensions(KeyUsage::SignatureAndEncipherment),
        }
    }

    /// TBSCertificate (RFC 5280 4.1.2): the bytes to be signed.
    pub(super) fn to_be_signed(&self, leaf: &Leaf<'_>) -> Vec<u8> {
        let mut writer = Writer::with_capacity(CAPACITY);
        writer.sequence(|w| {
            // Version 3 is written as 2.
            w.explicit(0, |w| w.unsigned_integer(&[2]));
            w.unsigned_integer(leaf.serial.as_bytes());
            w.raw(&self.algorithm);
            w.raw(&self.issuer);
            w.sequence(|w| {
                w.time(leaf.validity.not_before);
                w.time(leaf.validity.not_after);
            });
            w.sequence(|w| w.set(|w| w.sequence(|w| write_common_name(w, leaf.common_name))));
            w.raw(leaf.public_key);
            w.raw(match leaf.key_usage {
                KeyUsage::Signature => &self.signature_extensions,
                KeyUsage::SignatureAndEncipherment => &self.encipherment_extensions,
            });
        });
        writer.into_bytes()
    }

    /// The certificate made of what was signed and its signature.
    pub(super) fn certificate(&self, signed: &[u8], signature: &[u8]) -> Vec<u8> {
        let mut writer = Writer::with_capacity(CAPACITY);
        writer.sequence(|w| {
            w.raw(signed);
            w.raw(&self.algorithm);
            w.bit_string(0, signature);
        });
        writer.into_bytes()
    }
}

fn write_common_name(writer: &mut Writer, name: &str) {
    writer.oid(super::der::oid::COMMON_NAME);
    writer.utf8_string(name);
}
