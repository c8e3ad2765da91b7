//! Writing YAML that every reader, also one of YAML 1.1, reads back as the same text.

/// Appends a text on the line of its field: without quotes when no YAML reader can misread it, else in double quotes.
pub(super) fn push_scalar(yaml: &mut String, text: &str) {
    if is_plain(text) { yaml.push_str(text) } else { push_quoted(yaml, text) }
}

/// Appends a text of possibly many lines as the value of a field: a block like the one a person would write, where that
/// keeps every character, else in double quotes. Ends the line.
pub(super) fn push_text(yaml: &mut String, text: &str, indent: &str) {
    let Some(lines) = text.strip_suffix('\n').filter(|lines| fits_a_block(lines)) else {
        push_quoted(yaml, text);
        yaml.push('\n');
        return;
    };
    yaml.push_str("|\n");
    for line in lines.split('\n') {
        yaml.push_str(indent);
        yaml.push_str(line);
        yaml.push('\n');
    }
}

/// Whether a literal block holds these lines as they are: visible characters and blanks, no line that begins with a
/// blank (which would set the indentation) and none that is empty (which could end the block).
fn fits_a_block(lines: &str) -> bool {
    lines.split('\n').all(|line| {
        line.bytes().next().is_some_and(|first| first.is_ascii_graphic())
            && line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    })
}

/// Words that some YAML reader takes for something else than text.
const RESERVED: [&str; 13] =
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity", "none"];

fn is_plain(text: &str) -> bool {
    // Whatever begins with a letter is no number, date or sexagesimal.
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte))
        && !text.ends_with(':')
        && !RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn push_quoted(yaml: &mut String, text: &str) {
    yaml.push('"');
    for character in text.chars() {
        match character {
            '"' => yaml.push_str("\\\""),
            '\\' => yaml.push_str("\\\\"),
            '\n' => yaml.push_str("\\n"),
            '\r' => yaml.push_str("\\r"),
            '\t' => yaml.push_str("\\t"),
            ' '..='~' => yaml.push(character),
            // YAML allows more in the raw, but not every reader agrees on which.
            _ => push_escape(yaml, u32::from(character)),
        }
    }
    yaml.push('"');
}

fn push_escape(yaml: &mut String, code_point: u32) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ =
        if code_point <= 0xffff { write!(yaml, "\\u{code_point:04x}") } else { write!(yaml, "\\U{code_point:08x}") };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_be_misread_is_quoted() {
        let written = |text: &str| {
            let mut yaml = String::new();
            push_scalar(&mut yaml, text);
            yaml
        };
        for plain in ["west-1.example.com", "L1qCl2mZ7D81gbXp3ax4YT0K", "https://10.1.1.1:9090/87426fa9"] {
            assert_eq!(written(plain), plain);
        }
        for text in ["", "no", "Yes", "NULL", "012", "1e3", "1.10", "2024-01-01", "::1", "a:", "a b", "#a", "-", "~"] {
            assert_eq!(written(text), format!("\"{text}\""));
        }
        assert_eq!(written("a\"\\\u{7}ä"), "\"a\\\"\\\\\\u0007\\u00e4\"");
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_as_it_was(text in any::<String>()) {
            let mut yaml = "scalar: ".to_owned();
            push_scalar(&mut yaml, &text);
            yaml.push_str("\nnested:\n  text: ");
            push_text(&mut yaml, &text, "    ");

            let value: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();

            prop_assert_eq!(&value["scalar"], &text);
            prop_assert_eq!(&value["nested"]["text"], &text);
        }

        #[test]
        fn every_text_of_lines_is_read_back_as_it_was(text in "([-A-Za-z0-9+/=: #\"']{0,9}\r?\n){0,5}") {
            let mut yaml = "text: ".to_owned();
            push_text(&mut yaml, &text, "  ");

            let value: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();

            prop_assert_eq!(&value["text"], &text);
        }
    }
}
