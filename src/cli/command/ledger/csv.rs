//! Rows as CSV (RFC 4180), for programs that take the beginning of a cell for a formula too.

use super::row::Row;

/// The line of headings.
pub(super) const HEADINGS: &str =
    "type,namespace,grant,grantUid,ordinal,redeemedAt,name,subject,peer,serial,keyFingerprint,notAfter";

/// A row with its line break.
pub(super) fn line(row: &Row) -> String {
    let ordinal = row.ordinal.to_string();
    let cells = [
        &row.kind,
        &row.namespace,
        &row.grant,
        &row.grant_uid,
        &ordinal,
        &row.redeemed_at,
        &row.name,
        &row.subject,
        row.peer.as_deref().unwrap_or_default(),
        &row.serial,
        &row.key_fingerprint,
        &row.not_after,
    ];
    cells.map(cell).join(",") + "\n"
}

/// A cell, quoted when it must be. An apostrophe before a text that spreadsheets take for a formula makes it a text; also
/// before one that begins with blanks, which some of them skip, and with the wide forms of the signs.
fn cell(text: &str) -> String {
    let is_formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    let is_blank = |c: char| c.is_whitespace() && !matches!(c, '\t' | '\r' | '\n');
    let text =
        if text.trim_start_matches(is_blank).starts_with(is_formula) { format!("'{text}") } else { text.to_owned() };
    let is_plain = |c: char| !matches!(c, '"' | ',' | ';' | '\'') && !c.is_control();
    if text.chars().all(is_plain) && text.trim() == text { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cell_is_text_and_no_formula() {
        for (text, written) in [
            ("east-site", "east-site"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+2", "\"'=1+2\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-2+3", "\"'-2+3\""),
            ("+49 30", "\"'+49 30\""),
            (" =cmd|' /C calc'!A0", "\"' =cmd|' /C calc'!A0\""),
            ("\tx", "\"'\tx\""),
            ("＝1", "\"'＝1\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
    }

    /// The cells of one line, as RFC 4180 section 2 reads them.
    fn read(line: &str) -> Vec<String> {
        let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
        let mut characters = line.strip_suffix('\n').unwrap().chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(std::mem::take(&mut cell)),
                other => cell.push(other),
            }
        }
        assert!(!quoted, "{line}");
        cells.push(cell);
        cells
    }

    proptest! {
        #[test]
        fn whatever_a_site_calls_itself_is_one_cell_of_twelve(subject in "\\PC{0,40}|[=+@\",\n\r\t -]{0,8}") {
            let row = Row { kind: "redemption".to_owned(), subject: subject.clone(), ..Row::default() };

            let cells = read(&line(&row));

            prop_assert_eq!(cells.len(), HEADINGS.split(',').count());
            let shown = &cells[7];
            prop_assert!(*shown == subject || shown.strip_prefix('\'') == Some(&subject), "{}", shown);
            prop_assert!(!shown.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
        }
    }
}
