//! Entry points for fuzzers, which can call public items only, and for property tests. Not part of the program.

use super::{ObjectContent, sql::row};

/// Reads the content of an object as it is unsealed, and writes it again.
pub fn content(json: &[u8]) -> Option<ObjectContent> {
    let content = row::object_content(json)?;
    let again = row::object_content(&row::object_json(&content));
    // The body is not compared: a number with a fraction may be written in a shorter form than it was read.
    assert!(
        again.is_some_and(|again| {
            again.labels == content.labels
                && again.annotations == content.annotations
                && again.body.keys().eq(content.body.keys())
        }),
        "content that is written is read"
    );
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_panic(text in "\\{\"(labels|annotations|body)\":\\{.{0,40}\\}\\}|.{0,60}") {
            let _ = content(text.as_bytes());
        }

        #[test]
        fn what_is_stored_is_read_as_it_was(
            labels in prop::collection::btree_map(".{0,9}", ".{0,9}", 0..4),
            members in prop::collection::btree_map(".{0,9}", prop::collection::vec(any::<i64>(), 0..4), 0..4),
        ) {
            let body: serde_json::Map<_, _> = members.into_iter().map(|(name, value)| (name, value.into())).collect();
            let stored = ObjectContent { annotations: labels.clone(), labels, private: body.clone(), body };
            prop_assert!(row::object_content(&row::object_json(&stored)) == Some(stored));
        }
    }
}
