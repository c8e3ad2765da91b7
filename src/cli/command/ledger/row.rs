//! One row of the ledger, and the table of many.

use serde::{Deserialize, Serialize};

use crate::cli::output::{aligned, one_line};

/// A row, as the server sends it and as it is exported.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Row {
    /// What was recorded: `redemption`, `replay` or `reissue`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) grant: String,
    pub(super) grant_uid: String,
    pub(super) ordinal: u64,
    pub(super) redeemed_at: String,
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) peer: Option<String>,
    pub(super) serial: String,
    pub(super) key_fingerprint: String,
    pub(super) not_after: String,
}

const HEADINGS: [&str; 10] =
    ["NAMESPACE", "GRANT", "#", "TYPE", "WHEN", "NAME", "SUBJECT", "PEER", "SERIAL", "NOT AFTER"];

impl Row {
    /// The cells of the table, in the order of its headings.
    pub(super) fn cells(self) -> Vec<String> {
        let cells = [
            self.namespace,
            self.grant,
            self.ordinal.to_string(),
            self.kind,
            self.redeemed_at,
            self.name,
            self.subject,
            self.peer.unwrap_or_default(),
            self.serial,
            self.not_after,
        ];
        let fit = |cell: String| if cell.is_empty() { "-".to_owned() } else { one_line(&cell) };
        cells.into_iter().map(fit).collect()
    }
}

/// A table that is printed while its rows arrive: later ones are aligned with earlier ones, and only a cell that is wider
/// than all before it moves the cells to its right.
#[derive(Debug, Default)]
pub(super) struct GrowingTable {
    widths: Vec<usize>,
}

impl GrowingTable {
    /// The lines of these rows, with the headings before the very first one.
    pub(super) fn lines(&mut self, mut rows: Vec<Vec<String>>) -> String {
        if rows.is_empty() {
            return String::new();
        }
        if self.widths.is_empty() {
            rows.insert(0, HEADINGS.map(str::to_owned).to_vec());
            self.widths = vec![0; HEADINGS.len()];
        }
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        rows.iter().map(|row| aligned(row, &self.widths) + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headings_come_once_and_an_absent_cell_keeps_its_column() {
        let mut table = GrowingTable::default();
        let row = || Row { namespace: "west".to_owned(), grant: "offer".to_owned(), ordinal: 1, ..Row::default() };
        assert_eq!(table.lines(Vec::new()), "");
        let text = table.lines(vec![row().cells()]) + &table.lines(vec![row().cells()]);
        assert_eq!(
            text,
            "NAMESPACE  GRANT  #  TYPE  WHEN  NAME  SUBJECT  PEER  SERIAL  NOT AFTER\n\
             west       offer  1  -     -     -     -        -     -       -\n\
             west       offer  1  -     -     -     -        -     -       -\n"
        );
    }
}
