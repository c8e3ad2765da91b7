//! Writing secrets as JSON without leaving copies of them in memory.

use std::io;

use serde::Serialize;
use zeroize::Zeroizing;

/// The value as JSON. For maps from texts to texts or JSON values, which can always be written.
pub(super) fn to_wipe(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    const ALWAYS: &str = "texts and JSON values under names that are texts";
    // Measured first: a buffer that grew would leave copies of the secrets behind.
    let mut length = Length(0);
    #[expect(clippy::expect_used, reason = "maps of texts to texts or JSON can always be written as JSON")]
    serde_json::to_writer(&mut length, value).expect(ALWAYS);
    let mut json = Zeroizing::new(Vec::with_capacity(length.0));
    #[expect(clippy::expect_used, reason = "these maps can always be written as JSON, and a vector takes every byte")]
    serde_json::to_writer(&mut *json, value).expect(ALWAYS);
    json
}

/// A writer that only counts the bytes.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
