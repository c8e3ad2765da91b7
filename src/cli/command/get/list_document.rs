//! A list as one document, printed item by item so that the whole list is never in memory.

use serde_json::Value;

use crate::cli::output::{Console, ConsoleError, DocumentFormat, document_text};

/// A document, of which the beginning may be printed already.
#[derive(Debug)]
pub(super) struct ListDocument {
    format: DocumentFormat,
    api_version: &'static str,
    kind: &'static str,
    written: Written,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    Head,
    Items,
}

impl ListDocument {
    pub(super) fn new(format: DocumentFormat, api_version: &'static str, kind: &'static str) -> Self {
        Self { format, api_version, kind, written: Written::Nothing }
    }

    pub(super) fn items(&mut self, items: &[Value], console: &mut Console<'_>) -> Result<(), ConsoleError> {
        self.head(console)?;
        for item in items {
            let text = document_text(item, self.format)?;
            let text = match self.format {
                DocumentFormat::Json => {
                    let comma = if self.written == Written::Items { "," } else { "" };
                    format!("{comma}\n    {}", text.trim_end().replace('\n', "\n    "))
                }
                DocumentFormat::Yaml => {
                    let begin = if self.written == Written::Items { "" } else { "\n" };
                    format!("{begin}- {}\n", text.strip_suffix('\n').unwrap_or(&text).replace('\n', "\n  "))
                }
            };
            console.print(&text)?;
            self.written = Written::Items;
        }
        Ok(())
    }

    pub(super) fn end(&mut self, console: &mut Console<'_>) -> Result<(), ConsoleError> {
        self.head(console)?;
        let kind = self.kind;
        let end = match (self.format, self.written) {
            (DocumentFormat::Json, Written::Items) => "\n  ]",
            (DocumentFormat::Json, Written::Nothing | Written::Head) => "]",
            (DocumentFormat::Yaml, Written::Items) => "",
            (DocumentFormat::Yaml, Written::Nothing | Written::Head) => " []\n",
        };
        match self.format {
            DocumentFormat::Json => {
                console.print(&format!("{end},\n  \"kind\": \"{kind}\",\n  \"metadata\": {{}}\n}}\n"))
            }
            DocumentFormat::Yaml => console.print(&format!("{end}kind: {kind}\nmetadata: {{}}\n")),
        }
    }

    /// Prints the beginning. Called after the first page has arrived, so that a command that fails at once prints nothing.
    fn head(&mut self, console: &mut Console<'_>) -> Result<(), ConsoleError> {
        if self.written != Written::Nothing {
            return Ok(());
        }
        self.written = Written::Head;
        let version = self.api_version;
        match self.format {
            DocumentFormat::Json => console.print(&format!("{{\n  \"apiVersion\": \"{version}\",\n  \"items\": [")),
            DocumentFormat::Yaml => console.print(&format!("apiVersion: {version}\nitems:")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(format: DocumentFormat, pages: &[Vec<Value>]) -> String {
        let (mut results, mut notes) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut results, &mut notes);
        let mut document = ListDocument::new(format, "skupper.io/v2alpha1", "LinkList");
        for page in pages {
            document.items(page, &mut console).unwrap();
        }
        document.end(&mut console).unwrap();
        String::from_utf8(results).unwrap()
    }

    #[test]
    fn a_list_printed_in_pieces_is_the_document_it_would_be_in_one() {
        let items = [
            json!({"metadata": {"name": "a"}, "status": {"ca": "one\ntwo\n\nthree\n", "message": "x: y"}}),
            json!({"metadata": {"name": "b"}, "text": "  led\nby blanks", "more": "a\n\n\n", "list": [{}, [1, "é\u{7}"]]}),
            json!({"metadata": {"name": "c"}}),
        ];
        for pages in [vec![], vec![vec![]], vec![items[..1].to_vec()], vec![items[..2].to_vec(), items[2..].to_vec()]] {
            let whole = json!({
                "apiVersion": "skupper.io/v2alpha1", "kind": "LinkList", "metadata": {}, "items": pages.concat(),
            });
            let json = printed(DocumentFormat::Json, &pages);
            assert_eq!(json, serde_json::to_string_pretty(&whole).unwrap() + "\n");
            let yaml = printed(DocumentFormat::Yaml, &pages);
            assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), whole, "{yaml}");
        }
    }
}
