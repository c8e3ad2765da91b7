//! Sealing: codes, metadata and the contents of objects are encrypted before they reach the database.

use std::{fmt, path::Path};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    file::{self, Access, Existing, FileError},
    grant::{GrantId, GrantName, Namespace},
    store::{ObjectKey, SealError},
};

/// The version byte of the form that [`SealingKey::seal`] describes. Another form must have another number.
const VERSION: u8 = 2;
/// The version byte of the older form, which is bound to a uid only, not to namespace and name. It is read, never written.
const VERSION_WITHOUT_PLACE: u8 = 1;
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// The length of a text of this many bytes when it is sealed.
pub(in crate::store) fn sealed_length(text: usize) -> usize {
    1 + NONCE_LEN + text + TAG_BYTES
}

/// What a sealed text is for and in which row it is stored. It is authenticated, so that a sealed text cannot be moved to
/// another row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Purpose<'a> {
    /// The code of this grant.
    Code(OfGrant<'a>),
    /// The metadata of this grant.
    Metadata(OfGrant<'a>),
    /// The content of the object with this key and uid.
    Object(&'a ObjectKey, Uuid),
    /// The text with which a key is checked against its database.
    Probe,
}

/// The row of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct OfGrant<'a> {
    pub(in crate::store) namespace: &'a Namespace,
    pub(in crate::store) name: &'a GrantName,
    pub(in crate::store) id: GrantId,
}

impl Purpose<'_> {
    /// The associated data of the encryption. Its parts are separated by blanks and contain none, so no two purposes
    /// have the same.
    fn associated_data(self, version: u8) -> String {
        let place = |OfGrant { namespace, name, id }| match version {
            VERSION_WITHOUT_PLACE => id.to_string(),
            _ => format!("{namespace} {name} {id}"),
        };
        match self {
            Self::Code(grant) => format!("grantd {version} code {}", place(grant)),
            Self::Metadata(grant) => format!("grantd {version} metadata {}", place(grant)),
            Self::Object(_, uid) if version == VERSION_WITHOUT_PLACE => format!("grantd {version} object {uid}"),
            Self::Object(ObjectKey { kind, namespace, name }, uid) => {
                format!("grantd {version} object {} {namespace} {name} {uid}", kind.as_str())
            }
            Self::Probe => format!("grantd {version} probe"),
        }
    }
}

/// The sealed bytes were not sealed with this key for this purpose, or were changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot be unsealed")]
pub(in crate::store) struct Unsealable;

/// The key that seals a database's secrets: AES-256 in GCM mode (NIST SP 800-38D).
///
/// The library wipes it when it is freed; every copy on the way to it is wiped here.
pub(in crate::store) struct SealingKey(LessSafeKey);

impl SealingKey {
    fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Result<Self, SealError> {
        UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map(Self).map_err(|_| SealError)
    }

    /// Seals a text: one version byte, a random nonce of 12 bytes, the ciphertext, a tag of 16 bytes.
    ///
    /// The purpose is authenticated with it, so a sealed text that was moved to another row or column does not open, nor one
    /// whose row was given another kind, namespace or name.
    /// Nonces are random: up to 2^32 texts under one key, the chance that two share one stays below 2^-32.
    ///
    /// # Errors
    /// [`SealError`] when there is no randomness.
    pub(in crate::store) fn seal(&self, text: &[u8], purpose: Purpose<'_>) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| SealError)?;
        let mut sealed = Vec::with_capacity(sealed_length(text.len()));
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        // Encrypted in its own buffer of the final size: no copy of the plain text is left in a buffer that grew.
        let mut body = Zeroizing::new(Vec::with_capacity(text.len() + AES_256_GCM.tag_len()));
        body.extend_from_slice(text);
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose.associated_data(VERSION)),
                &mut *body,
            )
            .map_err(|_| SealError)?;
        sealed.extend_from_slice(&body);
        debug_assert_eq!(sealed.len(), sealed_length(text.len()), "a quota is compared with this length");
        Ok(sealed)
    }

    /// The text that was sealed for this purpose.
    ///
    /// # Errors
    /// [`Unsealable`] when it was not.
    pub(in crate::store) fn unseal(
        &self,
        sealed: &[u8],
        purpose: Purpose<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (version, rest) = sealed.split_first().ok_or(Unsealable)?;
        if ![VERSION, VERSION_WITHOUT_PLACE].contains(version) {
            return Err(Unsealable);
        }
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unsealable)?;
        let mut text = Zeroizing::new(body.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let associated_data = Aad::from(purpose.associated_data(*version));
        let length = self.0.open_in_place(nonce, associated_data, &mut text).map_err(|_| Unsealable)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// Reads the key file: one line of 32 bytes in base64 (RFC 4648 section 4), as `openssl rand -base64 32` prints it.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub(in crate::store) fn read(path: &Path) -> Result<Self, KeyFileError> {
        if file::is_readable_by_others(path).map_err(KeyFileError::File)? {
            return Err(KeyFileError::NotPrivate);
        }
        let text = file::read(path).map_err(KeyFileError::File)?;
        let mut decoded = Zeroizing::new([0_u8; KEY_BYTES + 2]);
        let length = STANDARD.decode_slice(text.trim_ascii(), &mut *decoded).map_err(|_| KeyFileError::Malformed)?;
        let bytes: &[u8; KEY_BYTES] = decoded[..length].try_into().map_err(|_| KeyFileError::Malformed)?;
        Self::from_bytes(bytes).map_err(KeyFileError::System)
    }

    /// Makes a key file with a fresh key, for its owner alone; never replaces one.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub(in crate::store) fn create(path: &Path) -> Result<Self, KeyFileError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|_| KeyFileError::System(SealError))?;
        let mut line = Zeroizing::new([0_u8; 45]);
        let length = STANDARD.encode_slice(&bytes[..], &mut *line).map_err(|_| KeyFileError::Malformed)?;
        line[length] = b'\n';
        file::write(path, &line[..=length], Access::Private, Existing::Keep).map_err(KeyFileError::File)?;
        Self::from_bytes(&bytes).map_err(KeyFileError::System)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(redacted)")
    }
}

/// Why a key file gives no key. Never holds its contents.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum KeyFileError {
    /// Others than its owner may read it.
    #[error("others may read it")]
    NotPrivate,
    /// Not 32 bytes in base64.
    #[error("it does not hold 32 bytes in base64")]
    Malformed,
    /// It could not be read or written.
    #[error("the file failed")]
    File(#[source] FileError),
    /// The system gave no random numbers.
    #[error("the system failed")]
    System(#[source] SealError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ObjectKind;
    use proptest::prelude::*;

    fn key() -> SealingKey {
        SealingKey::from_bytes(&[7; KEY_BYTES]).unwrap()
    }

    fn object(namespace: &str, name: &str) -> ObjectKey {
        let (namespace, name) = (namespace.parse().unwrap(), name.parse().unwrap());
        ObjectKey { kind: ObjectKind::Secret, namespace, name }
    }

    #[test]
    fn a_sealed_text_opens_only_in_its_place() {
        let (west, east): (Namespace, Namespace) = ("west".parse().unwrap(), "east".parse().unwrap());
        let (name, other_name): (GrantName, GrantName) = ("offer".parse().unwrap(), "other".parse().unwrap());
        let grant = OfGrant { namespace: &west, name: &name, id: GrantId::random() };
        let sealed = key().seal(b"secret", Purpose::Code(grant)).unwrap();

        assert_eq!(**key().unseal(&sealed, Purpose::Code(grant)).unwrap(), *b"secret");
        for elsewhere in [
            Purpose::Code(OfGrant { id: GrantId::random(), ..grant }),
            Purpose::Code(OfGrant { namespace: &east, ..grant }),
            Purpose::Code(OfGrant { name: &other_name, ..grant }),
            Purpose::Metadata(grant),
            Purpose::Object(&object("west", "offer"), Uuid::nil()),
            Purpose::Probe,
        ] {
            assert_eq!(key().unseal(&sealed, elsewhere).unwrap_err(), Unsealable, "{elsewhere:?}");
        }
        let another_key = SealingKey::from_bytes(&[8; KEY_BYTES]).unwrap();
        assert_eq!(another_key.unseal(&sealed, Purpose::Code(grant)).unwrap_err(), Unsealable);
    }

    #[test]
    fn sealed_content_opens_only_for_its_kind_namespace_name_and_uid() {
        let key = key();
        let (place, uid) = (object("west", "a"), Uuid::new_v4());
        let sealed = key.seal(b"secret", Purpose::Object(&place, uid)).unwrap();

        assert_eq!(**key.unseal(&sealed, Purpose::Object(&place, uid)).unwrap(), *b"secret");
        let link = ObjectKey { kind: ObjectKind::Link, ..place.clone() };
        for (place, uid) in
            [(&link, uid), (&object("east", "a"), uid), (&object("west", "b"), uid), (&place, Uuid::nil())]
        {
            assert_eq!(key.unseal(&sealed, Purpose::Object(place, uid)).unwrap_err(), Unsealable, "{place} {uid}");
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let seal = || key().seal(b"secret", Purpose::Probe).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed() {
        let sealed = key().seal(b"secret", Purpose::Probe).unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(key().unseal(&changed, Purpose::Probe).unwrap_err(), Unsealable, "byte {place}");
        }
    }

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", key()), "SealingKey(redacted)");
    }

    proptest! {
        #[test]
        fn every_text_survives_a_round_trip(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let sealed = key().seal(&text, Purpose::Probe).unwrap();
            prop_assert_eq!(&**key().unseal(&sealed, Purpose::Probe).unwrap(), &*text);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = key().unseal(&bytes, Purpose::Probe);
        }
    }
}
