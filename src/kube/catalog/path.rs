//! Percent escapes (RFC 3986 2.1), in paths and in queries.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Decodes `%XX`.
///
/// Returns `None` when an escape is invalid or the result is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    // The crate leaves an invalid escape unchanged: two programs could disagree about its meaning.
    let is_escape =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

/// The decoded segments of a path, which is given without its leading slash; `None` when one cannot be decoded.
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
