//! Private keys that are read from files, and what they sign.

use aws_lc_rs::{
    error::{KeyRejected, Unspecified},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use x509_parser::{
    asn1_rs::{BitString, FromDer},
    verify::verify_signature,
    x509::{AlgorithmIdentifier, SubjectPublicKeyInfo},
};
use zeroize::Zeroizing;

use super::{
    der::{Writer, oid},
    error::KeyFault,
    pem,
};

/// The most bytes of an RSA modulus: a larger key takes tens of milliseconds for each signature.
const RSA_MODULUS_BYTES: usize = 4096 / 8;

/// A private key that can sign certificates.
pub(super) enum SigningKey {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A private key and the bytes it was read from.
pub(super) struct LoadedKey {
    pub(super) key: SigningKey,
    /// PKCS#1, SEC1 or PKCS#8.
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// Reads the first private key of a PEM file: PKCS#1, SEC1 (also behind an EC PARAMETERS block) or PKCS#8.
///
/// # Errors
/// [`KeyFault`], also for keys that are encrypted, of an unsupported kind, or too weak.
pub(super) fn read(contents: &[u8]) -> Result<LoadedKey, KeyFault> {
    let blocks = pem::blocks(contents).map_err(KeyFault::Pem)?;
    let found = blocks.first().map_or("nothing", |block| block.label).to_owned();
    let block = blocks.into_iter().find(pem::Block::is_private_key).ok_or(KeyFault::NoKey { found })?;
    if block.is_encrypted_key() {
        return Err(KeyFault::Encrypted);
    }
    Ok(LoadedKey { key: SigningKey::from_der(&block.der)?, der: block.der })
}

impl SigningKey {
    /// Tries every kind in turn and disregards the block's label, as Skupper does (docs/protocol.md section 3.4).
    fn from_der(der: &[u8]) -> Result<Self, KeyFault> {
        let rsa =
            RsaKeyPair::from_pkcs8(der).or_else(|first| RsaKeyPair::from_der(der).map_err(|second| (first, second)));
        match rsa {
            Ok(key) if key.public_modulus_len() <= RSA_MODULUS_BYTES => return Ok(Self::Rsa(key)),
            Ok(_) => return Err(KeyFault::RsaSize),
            Err((first, second)) if is_about_size(&first) || is_about_size(&second) => return Err(KeyFault::RsaSize),
            Err(_) => {}
        }
        if let Ok(key) = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der) {
            Ok(Self::P256(key))
        } else if let Ok(key) = EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_ASN1_SIGNING, der) {
            Ok(Self::P384(key))
        } else {
            // Unchecked means that the public key may be missing, as in every file openssl writes.
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self::Ed25519).map_err(|_| KeyFault::Unsupported)
        }
    }

    /// Whether a signature takes most of a millisecond and more.
    pub(super) fn is_slow(&self) -> bool {
        match self {
            Self::P256(_) | Self::P384(_) | Self::Ed25519(_) => false,
            Self::Rsa(_) => true,
        }
    }

    /// The AlgorithmIdentifier of what [`sign`](Self::sign) makes.
    ///
    /// The parameters are NULL for RSA (RFC 4055 5) and absent for the others (RFC 5758 3.2, RFC 8410 3).
    pub(super) fn algorithm(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.sequence(|w| match self {
            Self::P256(_) => w.oid(oid::ECDSA_WITH_SHA256),
            Self::P384(_) => w.oid(oid::ECDSA_WITH_SHA384),
            Self::Rsa(_) => {
                w.oid(oid::SHA256_WITH_RSA);
                w.null();
            }
            Self::Ed25519(_) => w.oid(oid::ED25519),
        });
        writer.into_bytes()
    }

    /// Signs the way certificates are signed.
    ///
    /// # Errors
    /// When the machine has no memory or randomness left.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::P256(key) | Self::P384(key) => key.sign(&random, message).map(|s| s.as_ref().to_vec()),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::Ed25519(key) => key.try_sign(message).map(|s| s.as_ref().to_vec()),
        }
    }

    /// Whether this is the key of that public key: what it signs verifies, however the public key is encoded.
    pub(super) fn belongs_to(&self, public_key: &SubjectPublicKeyInfo<'_>) -> bool {
        let message = b"does this key belong to that certificate?";
        let algorithm = self.algorithm();
        let (Ok(signature), Ok((_, algorithm))) = (self.sign(message), AlgorithmIdentifier::from_der(&algorithm))
        else {
            return false;
        };
        verify_signature(public_key, &algorithm, &BitString::new(0, &signature), message).is_ok()
    }
}

/// The library distinguishes a wrong size from other faults by these words only.
fn is_about_size(rejected: &KeyRejected) -> bool {
    ["TooSmall", "TooLarge"].contains(&rejected.description_())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::KeySize;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_rsa_algorithms_have_parameters() {
        let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let ed25519 = Ed25519KeyPair::generate().unwrap();
        for (key, der) in [
            (SigningKey::P256(p256), &b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"[..]),
            (SigningKey::P384(p384), b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"),
            (SigningKey::Rsa(rsa), b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"),
            (SigningKey::Ed25519(ed25519), b"\x30\x05\x06\x03\x2b\x65\x70"),
        ] {
            assert_eq!(key.algorithm(), der);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(contents in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&contents).is_err());
        }

        #[test]
        fn no_key_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
                prop_assert!(read(pem::encode(label, &body).as_bytes()).is_err());
            }
        }
    }
}
