//! Requests for certificates, PKCS#10 (RFC 2986): reading a client's, and making our own.

use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair};
use x509_parser::{
    asn1_rs::FromDer,
    certification_request::X509CertificationRequest,
    oid_registry::{
        OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256,
        OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ED25519,
    },
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

use super::{
    certificate::{self, fingerprint},
    client_key::ClientKey,
    der::{Writer, oid},
    error::{CertificateFault, CertificateRequestFault, IssueError, KeyFault},
    key::{self, SigningKey},
    pem::{self, PrivateKeyPem},
    profile::{ClientKeyType, KeyUsage},
};
use crate::grant::KeyFingerprint;

/// The most bytes of an RSA key's exponent: 65537 has three.
const RSA_EXPONENT_BYTES: usize = 4;

/// The public key of a request whose signature proves that its sender has the private key. Nothing else of a request is
/// used: its subject and its extensions are what the sender wishes, and the certificate says what the redemption allows.
pub struct CertificateRequest {
    /// The whole SubjectPublicKeyInfo, in the one encoding that this key has.
    pub(super) public_key: Vec<u8>,
    pub(super) key_usage: KeyUsage,
    key_fingerprint: KeyFingerprint,
}

impl CertificateRequest {
    /// The longest request that is read, in bytes: one with an RSA key of 4096 bits has less than 2 KiB.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// Reads a request in DER, and checks its signature.
    ///
    /// Takes RSA keys of 2048 to 4096 bits and keys on P-256, P-384 and Ed25519, signed with SHA-2. An RSA key costs most of
    /// a tenth of a millisecond, so ask for the code first.
    ///
    /// # Errors
    /// The first [`CertificateRequestFault`] that applies.
    pub fn read(der: &[u8]) -> Result<Self, CertificateRequestFault> {
        if der.len() > Self::MAX_BYTES {
            return Err(CertificateRequestFault::TooLong);
        }
        let Ok(([], request)) = X509CertificationRequest::from_der(der) else {
            return Err(CertificateRequestFault::Malformed);
        };
        let key = &request.certification_request_info.subject_pki;
        certificate::check_public_key(key).map_err(|fault| match fault {
            CertificateFault::RsaSize { .. } => CertificateRequestFault::RsaSize,
            CertificateFault::Pem(_)
            | CertificateFault::NoCertificate { .. }
            | CertificateFault::HoldsPrivateKey
            | CertificateFault::Damaged { .. }
            | CertificateFault::UnsupportedKey => CertificateRequestFault::UnsupportedKey,
        })?;
        let (public_key, key_usage) = encoded(key).ok_or(CertificateRequestFault::UnsupportedKey)?;
        // The key goes into the certificate as it came. One key with two encodings would also be two keys for us.
        if public_key != key.raw {
            return Err(CertificateRequestFault::Malformed);
        }
        let algorithm = &request.signature_algorithm.algorithm;
        let is_strong = [
            OID_PKCS1_SHA256WITHRSA,
            OID_PKCS1_SHA384WITHRSA,
            OID_PKCS1_SHA512WITHRSA,
            OID_SIG_ECDSA_WITH_SHA256,
            OID_SIG_ECDSA_WITH_SHA384,
            OID_SIG_ED25519,
        ]
        .contains(algorithm);
        if !is_strong || request.verify_signature().is_err() {
            return Err(CertificateRequestFault::Signature);
        }
        let key_fingerprint = fingerprint(&public_key);
        Ok(Self { public_key, key_usage, key_fingerprint })
    }

    /// The fingerprint of its key.
    pub fn key_fingerprint(&self) -> KeyFingerprint {
        self.key_fingerprint
    }
}

impl std::fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateRequest").field("key_fingerprint", &self.key_fingerprint).finish_non_exhaustive()
    }
}

/// The SubjectPublicKeyInfo of a key, written anew: without points in compressed form, numbers with leading zeros and
/// unusual parameters. `None` for a key that is none.
fn encoded(key: &SubjectPublicKeyInfo<'_>) -> Option<(Vec<u8>, KeyUsage)> {
    let bits = &*key.subject_public_key.data;
    let mut writer = Writer::default();
    let usage = match key.parsed().ok()? {
        PublicKey::RSA(rsa) => {
            let exponent = rsa.exponent.strip_prefix(&[0]).unwrap_or(rsa.exponent);
            let is_odd = exponent.last().is_some_and(|last| last & 1 == 1);
            // An exponent of 1 would make every signature valid.
            if !is_odd || exponent == [1] || exponent.len() > RSA_EXPONENT_BYTES {
                return None;
            }
            let mut numbers = Writer::default();
            numbers.sequence(|w| {
                w.unsigned_integer(rsa.modulus);
                w.unsigned_integer(exponent);
            });
            writer.sequence(|w| {
                w.sequence(|w| {
                    w.oid(oid::RSA_ENCRYPTION);
                    w.null();
                });
                w.bit_string(0, &numbers.into_bytes());
            });
            KeyUsage::SignatureAndEncipherment
        }
        PublicKey::EC(_) => {
            // The first byte says that both coordinates follow.
            let curve = match bits {
                [4, point @ ..] if point.len() == 2 * 32 => oid::P256,
                [4, point @ ..] if point.len() == 2 * 48 => oid::P384,
                _ => return None,
            };
            writer.sequence(|w| {
                w.sequence(|w| {
                    w.oid(oid::EC_PUBLIC_KEY);
                    w.oid(curve);
                });
                w.bit_string(0, bits);
            });
            KeyUsage::Signature
        }
        // Ed25519 too, which the library does not take apart.
        PublicKey::Unknown(_) => {
            writer.sequence(|w| {
                w.sequence(|w| w.oid(oid::ED25519));
                w.bit_string(0, bits);
            });
            KeyUsage::Signature
        }
        PublicKey::DSA(_) | PublicKey::GostR3410(_) | PublicKey::GostR3410_2012(_) => return None,
    };
    Some((writer.into_bytes(), usage))
}

/// A key pair of our own, ECDSA P-256, for which another site is asked to issue a certificate.
pub struct RequestKey {
    pem: PrivateKeyPem,
    pair: EcdsaKeyPair,
}

impl RequestKey {
    /// Makes a key pair.
    ///
    /// # Errors
    /// [`IssueError::Crypto`] when the machine has no memory or randomness left.
    pub fn generate() -> Result<Self, IssueError> {
        let key = ClientKey::generate(ClientKeyType::EcdsaP256).ok();
        let made = key.and_then(|key| Self::from_pem(key.private_key.expose().as_bytes()).ok());
        made.ok_or(IssueError::Crypto { action: "make a key" })
    }

    /// Reads a key that was [exposed](Self::pem) before.
    ///
    /// # Errors
    /// [`KeyFault`], also for keys of another kind.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyFault> {
        let loaded = key::read(text)?;
        match loaded.key {
            SigningKey::P256(pair) => Ok(Self { pem: PrivateKeyPem::from_der(pem::PRIVATE_KEY, &loaded.der), pair }),
            SigningKey::P384(_) | SigningKey::Rsa(_) | SigningKey::Ed25519(_) => Err(KeyFault::Unsupported),
        }
    }

    /// The private key, as PKCS#8 PEM.
    pub fn pem(&self) -> &PrivateKeyPem {
        &self.pem
    }

    /// A request for a certificate, in DER: the key and nothing else, as the other site chooses the rest.
    ///
    /// # Errors
    /// [`IssueError::Crypto`] when the machine has no memory or randomness left.
    pub fn certificate_request(&self) -> Result<Vec<u8>, IssueError> {
        let failed = IssueError::Crypto { action: "sign a certificate request" };
        let mut info = Writer::default();
        info.sequence(|w| {
            // Version 1 is written as 0.
            w.unsigned_integer(&[]);
            // No subject.
            w.sequence(|_| {});
            w.sequence(|w| {
                w.sequence(|w| {
                    w.oid(oid::EC_PUBLIC_KEY);
                    w.oid(oid::P256);
                });
                w.bit_string(0, self.pair.public_key().as_ref());
            });
            // No attributes; an IMPLICIT SET has the same octets as what is explicit and empty.
            w.explicit(0, |_| {});
        });
        let info = info.into_bytes();
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.pair.sign(&random, &info).map_err(|_| failed)?;
        let mut request = Writer::default();
        request.sequence(|w| {
            w.raw(&info);
            w.sequence(|w| w.oid(oid::ECDSA_WITH_SHA256));
            w.bit_string(0, signature.as_ref());
        });
        Ok(request.into_bytes())
    }

    /// Whether the first certificate of this PEM text is for this key.
    pub fn is_certified_by(&self, certificate_pem: &str) -> bool {
        let certificates = certificate::read_all(certificate_pem.as_bytes()).unwrap_or_default();
        let leaf = certificates.first().and_then(|der| certificate::parse(der));
        leaf.is_some_and(|leaf| *leaf.public_key().subject_public_key.data == *self.pair.public_key().as_ref())
    }
}

impl std::fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequestKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn our_own_requests_are_read_and_name_their_key() {
        let key = RequestKey::generate().unwrap();
        let same = RequestKey::from_pem(key.pem().expose().as_bytes()).unwrap();

        let first = CertificateRequest::read(&key.certificate_request().unwrap()).unwrap();
        let second = CertificateRequest::read(&same.certificate_request().unwrap()).unwrap();

        assert_eq!(first.key_fingerprint(), second.key_fingerprint());
        let other = RequestKey::generate().unwrap().certificate_request().unwrap();
        assert_ne!(CertificateRequest::read(&other).unwrap().key_fingerprint(), first.key_fingerprint());
    }

    #[test]
    fn debug_of_a_key_shows_nothing() {
        assert_eq!(format!("{:?}", RequestKey::generate().unwrap()), "RequestKey(redacted)");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(CertificateRequest::read(&bytes).is_err());
        }

        #[test]
        fn a_changed_request_is_refused_or_is_still_one_for_its_key(place in any::<usize>(), change in 1..=u8::MAX) {
            let mut request = RequestKey::generate().unwrap().certificate_request().unwrap();
            let key = CertificateRequest::read(&request).unwrap().key_fingerprint();
            let place = place % request.len();
            request[place] ^= change;
            // Around what is signed, some other encodings are read too.
            if let Ok(read) = CertificateRequest::read(&request) {
                prop_assert_eq!(read.key_fingerprint(), key, "byte {}", place);
            }
        }

        #[test]
        fn bytes_after_a_request_are_refused(more in proptest::collection::vec(any::<u8>(), 1..9)) {
            let request = RequestKey::generate().unwrap().certificate_request().unwrap();
            prop_assert!(CertificateRequest::read(&[request, more].concat()).is_err());
        }
    }
}
