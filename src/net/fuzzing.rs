//! Entry points for fuzzers, which can call public items only. Built with `--cfg fuzzing` only.

use super::proxy::{Header, LONGEST, parse};

/// Reads a PROXY header as the redeem listener does: byte by byte as far as it asks for them.
pub fn proxy_header(stream: &[u8]) {
    let mut end = 0;
    while let Ok(Header::Partial(missing)) = parse(&stream[..end]) {
        assert!(missing > 0, "an incomplete header lacks a byte");
        end += missing;
        assert!(end <= LONGEST, "a header has a longest length");
        if end > stream.len() {
            return;
        }
    }
}
