//! The output of commands: results go to standard output, everything else to standard error.

use std::{
    fmt::{self, Display},
    io::{self, IsTerminal, Write},
    path::Path,
    pin::pin,
    time::Duration,
};

use clap::ValueEnum;
use serde::Serialize;

/// After how long a command prints what it is waiting for.
const QUIET_WAIT: Duration = Duration::from_secs(1);

/// Standard input or output failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot use standard input or output")]
pub(crate) struct ConsoleError(#[source] pub(crate) io::Error);

impl ConsoleError {
    /// Whether the reader of the output has closed the pipe, which is not a failure.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// How documents are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentFormat {
    /// JSON, indented
    Json,
    /// YAML
    Yaml,
}

/// The position of a document in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentPosition {
    /// The file.
    pub(crate) file: String,
    /// The number of the document, from 1.
    pub(crate) number: usize,
    /// The line where the document begins, from 1.
    pub(crate) line: u64,
}

impl Display for DocumentPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: document {} (line {})", self.file, self.number, self.line)
    }
}

/// The two streams of a command. Everything is printed through it, so that a command ends quietly when its
/// reader closes the pipe (`| head`).
pub(crate) struct Console<'a> {
    results: &'a mut dyn Write,
    notes: &'a mut dyn Write,
}

impl<'a> Console<'a> {
    /// A console on these two streams.
    pub(crate) fn new(results: &'a mut dyn Write, notes: &'a mut dyn Write) -> Self {
        Self { results, notes }
    }

    /// Prints a result as it is.
    ///
    /// # Errors
    /// [`ConsoleError`], also when the reader has closed the pipe.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), ConsoleError> {
        self.results.write_all(text.as_bytes()).and_then(|()| self.results.flush()).map_err(ConsoleError)
    }

    /// Prints a line of the result.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), ConsoleError> {
        writeln!(self.results, "{line}").map_err(ConsoleError)
    }

    /// Prints a document.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub(crate) fn document(&mut self, document: &impl Serialize, format: DocumentFormat) -> Result<(), ConsoleError> {
        let text = document_text(document, format)?;
        self.print(text.trim_end())?;
        self.print("\n")
    }

    /// Waits for `work`. When that takes longer than a second, prints to a terminal what it is waiting for.
    pub(crate) async fn wait<T>(&mut self, what: impl Display, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(QUIET_WAIT) => {}
        }
        if io::stderr().is_terminal() {
            self.note(format_args!("Waiting for {what} ..."));
        }
        work.await
    }

    /// Prints something other than the result. A failure to print it is ignored.
    pub(crate) fn note(&mut self, line: impl Display) {
        let _ = writeln!(self.notes, "{line}");
    }
}

/// The text of a document.
///
/// # Errors
/// [`ConsoleError`] for what cannot be written in this format.
pub(crate) fn document_text(document: &impl Serialize, format: DocumentFormat) -> Result<String, ConsoleError> {
    let text = match format {
        DocumentFormat::Json => serde_json::to_string_pretty(document).map_err(io::Error::other),
        DocumentFormat::Yaml => {
            // A long text is not wrapped, so that `grep` finds all of it.
            let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
            serde_saphyr::to_string_with_options(document, options).map_err(io::Error::other)
        }
    };
    text.map_err(ConsoleError)
}

/// Makes text from another program safe for a terminal: control characters, which could move the cursor or change the
/// title, become `\u{fffd}`; line breaks stay.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// As [`printable`], on one line.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// A path quoted for a shell, for commands that the user can copy.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./~-_+,:@%=".contains(&byte);
    if text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A line of cells in columns of these widths: two spaces between columns, none at the end.
pub(crate) fn aligned(row: &[String], widths: &[usize]) -> String {
    let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// Rows under headings, in columns that are as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings and no rows.
    pub(crate) fn new(headings: &[impl ToString]) -> Self {
        Self { rows: vec![headings.iter().map(ToString::to_string).collect()] }
    }

    /// Adds a row; an empty cell is shown as `-`, so that a script can split the columns.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        let fit = |cell: String| {
            let cell = one_line(&cell);
            if cell.is_empty() { "-".to_owned() } else { cell }
        };
        self.rows.push(cells.into_iter().map(fit).collect());
    }
}

impl Display for Table {
    /// The lines of the table: two spaces between columns, none at the end of a line, no line break after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let end = if index + 1 == self.rows.len() { "" } else { "\n" };
            write!(f, "{}{end}", aligned(row, &widths))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_to_copy_survives_a_shell() {
        assert_eq!(shell_word(Path::new("~/west_1.yaml")), "~/west_1.yaml");
        assert_eq!(shell_word(Path::new("a b's.yaml")), "'a b'\\''s.yaml'");
    }

    struct ClosedPipe;

    impl Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn columns_are_aligned_and_lines_end_with_text() {
        let mut table = Table::new(&["NAME", "STATUS"]);
        table.row(vec!["a".to_owned(), String::new()]);
        table.row(vec!["größer".to_owned(), "Ready\nnow".to_owned()]);
        assert_eq!(table.to_string(), "NAME    STATUS\na       -\ngrößer  Ready now");
    }

    #[test]
    fn what_came_from_elsewhere_cannot_drive_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{7}\u{9b}c\n\td"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\n\td");
    }

    #[test]
    fn a_closed_pipe_is_not_a_failure() {
        let (mut closed, mut notes) = (ClosedPipe, Vec::new());
        let error = Console::new(&mut closed, &mut notes).print("x").unwrap_err();
        assert!(error.is_closed_pipe());
        assert!(!ConsoleError(io::ErrorKind::StorageFull.into()).is_closed_pipe());
    }

    #[test]
    fn documents_end_with_one_line_break() {
        let (mut results, mut notes) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut results, &mut notes);
        let document = serde_json::json!({"port": "55671", "list": []});
        console.document(&document, DocumentFormat::Json).unwrap();
        console.document(&document, DocumentFormat::Yaml).unwrap();
        let text = String::from_utf8(results).unwrap();
        assert_eq!(text, "{\n  \"list\": [],\n  \"port\": \"55671\"\n}\nlist: []\nport: \"55671\"\n");
    }
}
