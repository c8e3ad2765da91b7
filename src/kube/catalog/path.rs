//! Percent escapes (RFC 3986 2.1), in paths and in queries.

/// Decodes `%XX`.
///
/// Answers `None` when an escape is broken or the result is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

/// The segments of a path without the slash that it begins with, decoded; `None` where one cannot be.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    path.split('/').map(percent_decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_decoded_and_broken_ones_refused() {
        assert_eq!(percent_decode("a%2Fb%c3%A4+"), Some("a/bä+".to_owned()));
        assert_eq!(segments("apis/a%2Fb/"), Some(vec!["apis".to_owned(), "a/b".to_owned(), String::new()]));
        for broken in ["%", "%2", "%zz", "a%2", "%%41", "%+1", "%ff", "%c3", "%ä"] {
            assert_eq!(percent_decode(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_again(text in ".{0,20}") {
            let escaped: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(percent_decode(&escaped), Some(text));
        }

        #[test]
        fn no_text_panics(text in "(%|[0-9a-f]|.){0,20}") {
            let _ = percent_decode(&text);
        }
    }
}
