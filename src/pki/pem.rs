//! PEM (RFC 7468): reads the blocks of a file, and writes blocks.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::{Zeroize, Zeroizing};

use super::error::PemFault;

/// The label of a certificate.
pub(super) const CERTIFICATE: &str = "CERTIFICATE";
/// The label of a PKCS#8 key, which every reader of keys knows.
pub(super) const PRIVATE_KEY: &str = "PRIVATE KEY";
/// The label of a PKCS#1 key.
pub(super) const RSA_PRIVATE_KEY: &str = "RSA PRIVATE KEY";

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Bytes that fill one line of 64 characters.
const LINE_BYTES: usize = 48;

/// A private key as PEM text.
///
/// No `Display`, no `PartialEq`, no serialisation; zeroized when dropped. The one way out is [`expose`](Self::expose).
pub struct PrivateKeyPem(Zeroizing<String>);

impl PrivateKeyPem {
    /// The text, for the one document or file that must carry it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn from_der(label: &str, der: &[u8]) -> Self {
        Self(Zeroizing::new(encode(label, der)))
    }
}

impl fmt::Debug for PrivateKeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKeyPem(redacted)")
    }
}

/// One block of a PEM file.
pub(super) struct Block<'a> {
    /// The text after BEGIN.
    pub(super) label: &'a str,
    /// Whether the block's headers say that it is encrypted, as OpenSSL's older key files do.
    pub(super) encrypted: bool,
    /// The decoded body; empty when `encrypted`.
    pub(super) der: Zeroizing<Vec<u8>>,
}

impl Block<'_> {
    /// Whether this is a private key of any kind.
    pub(super) fn is_private_key(&self) -> bool {
        self.label.ends_with(PRIVATE_KEY)
    }

    /// Whether this is a key that is encrypted with a passphrase.
    pub(super) fn is_encrypted_key(&self) -> bool {
        self.is_private_key() && (self.encrypted || self.label.starts_with("ENCRYPTED"))
    }
}

/// Finds every block of a PEM file, in order; text between the blocks is ignored.
///
/// Markers must start in column 0, as the routers' TLS library requires: files that are accepted here are sent unchanged.
///
/// # Errors
/// [`PemFault`] when there is no block at all or when one is damaged.
pub(super) fn blocks(contents: &[u8]) -> Result<Vec<Block<'_>>, PemFault> {
    let text = std::str::from_utf8(contents).map_err(|_| not_text(contents))?;
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        if let Some(label) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) {
            blocks.push(block(label, &mut lines)?);
        }
    }
    match blocks.is_empty() {
        false => Ok(blocks),
        true if text.trim().is_empty() => Err(PemFault::Empty),
        true => Err(not_text(contents)),
    }
}

fn not_text(contents: &[u8]) -> PemFault {
    // Every certificate and key is a SEQUENCE.
    if contents.first() == Some(&0x30) { PemFault::BinaryDer } else { PemFault::NoBlocks }
}

fn block<'a>(label: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> Result<Block<'a>, PemFault> {
    let damaged = || PemFault::Damaged { label: label.to_owned() };
    let mut body: Vec<&str> = Vec::new();
    let mut encrypted = false;
    for line in lines {
        if let Some(end) = line.strip_prefix(END) {
            if end.strip_suffix(DASHES) != Some(label) {
                return Err(damaged());
            }
            // Joined in one step: a buffer that grows is moved, and leaves copies of a key in memory.
            let body = Zeroizing::new(body.concat());
            let der = if encrypted { Ok(Vec::new()) } else { STANDARD.decode(body.as_bytes()) };
            return der.map(|der| Block { label, encrypted, der: Zeroizing::new(der) }).map_err(|_| damaged());
        }
        // A header of RFC 1421; base64 has no colon.
        if let Some((name, value)) = line.split_once(':') {
            encrypted |= name == "Proc-Type" && value.contains("ENCRYPTED");
        } else {
            body.push(line.trim());
        }
    }
    Err(damaged())
}

/// A block of PEM text with lines of 64 characters.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let markers = BEGIN.len() + END.len() + 2 * (label.len() + DASHES.len() + 1);
    // Exact, so that the buffer is never moved and leaves no copy of a key in memory.
    let mut text = String::with_capacity(markers + der.len().div_ceil(LINE_BYTES) * (LINE_BYTES / 3 * 4 + 1));
    text.extend([BEGIN, label, DASHES, "\n"]);
    let mut line = [0; LINE_BYTES / 3 * 4];
    for bytes in der.chunks(LINE_BYTES) {
        // The line fits the chunk, and base64 is ASCII, so neither step can fail.
        let length = STANDARD.encode_slice(bytes, &mut line).unwrap_or_default();
        text.push_str(std::str::from_utf8(&line[..length]).unwrap_or_default());
        text.push('\n');
    }
    line.zeroize();
    text.extend([END, label, DASHES, "\n"]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_come_in_order_and_text_between_them_is_ignored() {
        let text = "Bag Attributes: x\n-----BEGIN A-----\r\nAAEC\r\n-----END A-----\r\nnote\n-----BEGIN B-----\n-----END B-----";
        let found = blocks(text.as_bytes()).unwrap();
        assert_eq!(found.iter().map(|b| (b.label, b.der.len())).collect::<Vec<_>>(), [("A", 3), ("B", 0)]);
    }

    #[test]
    fn an_encrypted_key_is_recognised_in_both_of_its_forms() {
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAEC\n-----END RSA PRIVATE KEY-----\n";
        let new = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAEC\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for text in [old, new] {
            assert!(blocks(text.as_bytes()).unwrap()[0].is_encrypted_key());
        }
    }

    #[test]
    fn different_faults_of_a_file_are_different_errors() {
        let fault = |contents: &[u8]| blocks(contents).err();
        assert_eq!(fault(b""), Some(PemFault::Empty));
        assert_eq!(fault(b" \n"), Some(PemFault::Empty));
        assert_eq!(fault(b"hello"), Some(PemFault::NoBlocks));
        assert_eq!(fault(b"\xff\xfe"), Some(PemFault::NoBlocks));
        assert_eq!(fault(b"\x30\x82\x01\xff"), Some(PemFault::BinaryDer));
        for damaged in [
            "-----BEGIN A-----\nAAEC\n",
            "-----BEGIN A-----\n=!\n-----END A-----\n",
            "-----BEGIN A-----\n-----END B-----\n",
        ] {
            assert_eq!(fault(damaged.as_bytes()), Some(PemFault::Damaged { label: "A".to_owned() }), "{damaged}");
        }
    }

    #[test]
    fn debug_of_a_key_shows_nothing() {
        let key = PrivateKeyPem::from_der(PRIVATE_KEY, b"canary");
        assert_eq!(format!("{key:?}"), "PrivateKeyPem(redacted)");
        assert!(key.expose().starts_with("-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(der in proptest::collection::vec(any::<u8>(), 0..400)) {
            let text = encode(CERTIFICATE, &der);
            prop_assert!(text.capacity() - text.len() < 64);
            prop_assert!(text.lines().all(|line| line.len() <= 64));
            let found = blocks(text.as_bytes()).unwrap();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&*found[0].der, &der);
        }

        #[test]
        fn no_bytes_panic(contents in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = blocks(&contents);
        }

        #[test]
        fn no_text_like_pem_panics(text in "(-----(BEGIN|END) [A-C]{0,2}-----\n|[A-Z=+/]{0,8}\n|[a-z]: x\n){0,12}") {
            let _ = blocks(text.as_bytes());
        }
    }
}
