//! The secret code of a grant, and the code that a client presents.

use std::{fmt, str::FromStr};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The alphabet of generated codes, in Skupper's order (docs/protocol.md section 4.1).
const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const GENERATED_LENGTH: usize = 24;

/// The secret code of a grant: 1 to 4096 visible ASCII characters.
///
/// No `Display`, no `PartialEq`, no serialisation; zeroized when dropped. The one way out is [`expose`](Self::expose).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Code(String);

/// Why a text is not a code. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// More than [`Code::MAX_BYTES`].
    #[error("must be no more than {} characters", Code::MAX_BYTES)]
    TooLong,
    /// A blank, a control character or anything outside ASCII.
    #[error("must consist of visible ASCII characters, without blanks")]
    NotVisibleAscii,
}

impl Code {
    /// The most bytes a code may have.
    pub const MAX_BYTES: usize = 4096;
    /// A chosen code of fewer bytes can be guessed; generated ones have 24.
    pub const SHORT_BELOW: usize = 16;

    /// A fresh code of 24 alphanumerics (142.9 bits), made from the bytes that `fill` writes.
    ///
    /// Bytes from 248 on are discarded, because they would make some letters more likely than others.
    pub fn generate(mut fill: impl FnMut(&mut [u8])) -> Self {
        // 248 is the greatest multiple of 62 that a byte can count to.
        let unbiased = 247;
        let mut code = String::with_capacity(GENERATED_LENGTH);
        let mut random = [0_u8; 32];
        while code.len() < GENERATED_LENGTH {
            fill(&mut random);
            let letters = random.iter().filter(|byte| **byte <= unbiased);
            let missing = GENERATED_LENGTH - code.len();
            code.extend(letters.take(missing).map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
        }
        random.zeroize();
        Self(code)
    }

    /// Whether `presented` is this code, compared in constant time for equal lengths.
    pub fn matches(&self, presented: &PresentedCode) -> bool {
        self.0.as_bytes().ct_eq(&presented.0).into()
    }

    /// Whether `other` is the same code, compared in constant time for equal lengths.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// Whether it has fewer than [`SHORT_BELOW`](Self::SHORT_BELOW) characters.
    pub fn is_short(&self) -> bool {
        self.byte_count() < Self::SHORT_BELOW
    }

    /// Length in bytes, which is no secret.
    pub fn byte_count(&self) -> usize {
        self.0.len()
    }

    /// The secret itself, for the one document that must carry it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(redacted)")
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(CodeError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(CodeError::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(CodeError::NotVisibleAscii);
        }
        Ok(Self(text.to_owned()))
    }
}

/// The origin of a grant's code. `spec.code` shows the code only when the operator chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeOrigin {
    /// Made by [`Code::generate`].
    Generated,
    /// Given in `spec.code`.
    Given,
}

/// The bytes that a client sent as the code: any bytes, of a length that the listener has limited.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PresentedCode(Vec<u8>);

impl PresentedCode {
    /// Takes the body of a redemption request as it came: a trailing newline makes it wrong
    /// (docs/protocol.md section 1.2).
    pub fn new(body: Vec<u8>) -> Self {
        Self(body)
    }

    /// Whether nothing was sent. No grant has such a code, so it is no attempt to guess one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for PresentedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedCode(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_generated_code_has_24_alphanumerics() {
        let mut next = 0_u8;
        let code = Code::generate(|bytes| {
            bytes.fill_with(|| {
                next = next.wrapping_mul(5).wrapping_add(83);
                next
            });
        });

        assert_eq!(code.byte_count(), 24);
        assert!(code.expose().bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    #[test]
    fn a_generated_code_has_24_characters_however_many_bytes_are_discarded() {
        for usable in 1..=32 {
            let code = Code::generate(|bytes| {
                bytes.fill(u8::MAX);
                bytes[..usable].fill(0);
            });
            assert_eq!(code.byte_count(), 24, "{usable} of 32 bytes are usable");
        }
    }

    #[test]
    fn every_letter_is_equally_likely() {
        let mut counts = [0_u32; 62];
        for byte in 0..=u8::MAX {
            let mut calls = 0;
            let code = Code::generate(|bytes| {
                bytes.fill(if calls == 0 { byte } else { 0 });
                calls += 1;
            });
            if calls == 1 {
                let letter = code.expose().as_bytes()[0];
                counts[ALPHABET.iter().position(|a| *a == letter).unwrap()] += 1;
            }
        }
        assert_eq!(counts, [4; 62]);
    }

    #[test]
    fn only_the_whole_code_matches() {
        let code: Code = "L1qCl2mZ7D81gbXp3ax4YT0K".parse().unwrap();
        let presented = |text: &str| PresentedCode::new(text.as_bytes().to_vec());
        assert!(code.matches(&presented("L1qCl2mZ7D81gbXp3ax4YT0K")));
        for wrong in ["", "L1qCl2mZ7D81gbXp3ax4YT0K\n", "l1qCl2mZ7D81gbXp3ax4YT0K", "L1qCl2mZ7D81gbXp3ax4YT0"] {
            assert!(!code.matches(&presented(wrong)), "{wrong:?}");
        }
    }

    #[test]
    fn blanks_and_other_scripts_are_refused() {
        assert_eq!("".parse::<Code>().unwrap_err(), CodeError::Empty);
        assert_eq!("a b".parse::<Code>().unwrap_err(), CodeError::NotVisibleAscii);
        assert_eq!("ä".parse::<Code>().unwrap_err(), CodeError::NotVisibleAscii);
        assert!("a".repeat(4096).parse::<Code>().is_ok());
        assert_eq!("a".repeat(4097).parse::<Code>().unwrap_err(), CodeError::TooLong);
    }

    #[test]
    fn debug_tells_nothing() {
        let code: Code = "canary".parse().unwrap();
        assert_eq!(
            format!("{code:?} {:?}", PresentedCode::new(b"canary".to_vec())),
            "Code(redacted) PresentedCode(redacted)"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,64}") {
            let _ = text.parse::<Code>();
        }
    }
}
