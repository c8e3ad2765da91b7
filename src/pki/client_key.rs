//! The key pair that is made for a client.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    error::Unspecified,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};

use super::{
    pem::{PRIVATE_KEY, PrivateKeyPem},
    profile::ClientKeyType,
};

/// A fresh key pair.
pub(super) struct ClientKey {
    /// SubjectPublicKeyInfo.
    pub(super) public_key: Vec<u8>,
    /// PKCS#8, which every client reads (docs/protocol.md section 3.4).
    pub(super) private_key: PrivateKeyPem,
}

impl ClientKey {
    /// Makes a key pair.
    ///
    /// # Errors
    /// When the machine has no memory or randomness left.
    pub(super) fn generate(key_type: ClientKeyType) -> Result<Self, Unspecified> {
        match key_type {
            ClientKeyType::EcdsaP256 => {
                let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
                Self::new(key.public_key(), key.to_pkcs8v1()?.as_ref())
            }
            ClientKeyType::Rsa2048 => Self::rsa(KeySize::Rsa2048),
            ClientKeyType::Rsa3072 => Self::rsa(KeySize::Rsa3072),
            ClientKeyType::Ed25519 => {
                let key = Ed25519KeyPair::generate()?;
                Self::new(key.public_key(), key.to_pkcs8v1()?.as_ref())
            }
        }
    }

    fn rsa(size: KeySize) -> Result<Self, Unspecified> {
        let key = RsaKeyPair::generate(size)?;
        let pkcs8: Pkcs8V1Der<'_> = key.as_der()?;
        Self::new(key.public_key(), pkcs8.as_ref())
    }

    fn new(public_key: &impl AsDer<PublicKeyX509Der<'static>>, pkcs8: &[u8]) -> Result<Self, Unspecified> {
        Ok(Self {
            public_key: public_key.as_der()?.as_ref().to_vec(),
            private_key: PrivateKeyPem::from_der(PRIVATE_KEY, pkcs8),
        })
    }
}
