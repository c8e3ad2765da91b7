//! Reads documents of users and other servers: within limits, and with errors that give the position and what was expected.

use std::fmt;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

/// The most bytes a document is read from: far more than any token or bundle has.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Why a text is not the document it should be.
///
/// Never quotes what the document holds, as that may be a code or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// More than [`MAX_DOCUMENT_BYTES`].
    #[error("it is larger than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    /// The bytes are not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Nothing but white space, comments or separators.
    #[error("it is empty; expected {expected}")]
    Empty {
        /// What was expected.
        expected: &'static str,
    },
    /// More documents than were asked for.
    #[error("it holds {count} documents; expected {expected}, once")]
    Several {
        /// How many there are.
        count: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// Neither YAML nor JSON, or not of the right shape.
    #[error("{position}: {expected}")]
    Syntax {
        /// The position of the fault.
        position: Position,
        /// What is wrong there, or what was expected.
        expected: String,
    },
    /// A document of another kind.
    #[error("{position}: this is {found}; expected {expected}")]
    Kind {
        /// The position of the fault.
        position: Position,
        /// The kind and version that it claims.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A required field is missing.
    #[error("{position}: {field} is missing; it must be {expected}")]
    Missing {
        /// Where the document begins that lacks the field.
        position: Position,
        /// The field, from the top of its document.
        field: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A field holds something else than it must.
    #[error("{position}: {field} {expected}")]
    Invalid {
        /// Where the value is.
        position: Position,
        /// The field, from the top of its document.
        field: String,
        /// What should have been there, beginning with "must".
        expected: String,
    },
    /// The document ends before it is complete.
    #[error("it is cut short: {missing}")]
    CutShort {
        /// The part that is missing.
        missing: &'static str,
    },
}

/// A position in a text, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The character in the line.
    pub column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        // 0 means that the position is not known, which is so for an empty input only.
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// The first fields of every document in the shape of Kubernetes.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "apiVersion")]
    api_version: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
}

/// A field that may be missing, and its position.
pub(super) type Field<T> = Option<Spanned<T>>;

/// What kind a document must be of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    /// With its article: "a Secret (v1)".
    pub(super) title: &'static str,
}

/// Checks the size, and that it is text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, DocumentError> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLarge);
    }
    std::str::from_utf8(bytes).map_err(|_| DocumentError::NotText)
}

/// Where each document begins, and whether it is of the kind that `kind_of` asks of the document at that index.
pub(super) fn check_kinds(text: &str, kind_of: impl Fn(usize) -> Kind) -> Result<Vec<Position>, DocumentError> {
    let headers: Vec<Spanned<Header>> = parse(text)?;
    headers.iter().enumerate().map(|(index, header)| check_kind(header, kind_of(index))).collect()
}

/// The one document of a text that is to be of this kind, and where it begins.
pub(super) fn parse_one<'text, T: Deserialize<'text>>(
    text: &'text str,
    kind: Kind,
) -> Result<(Position, T), DocumentError> {
    // The number is checked first: when there are several documents, the kind of the second one is not the mistake.
    match parse::<serde::de::IgnoredAny>(text)?.len() {
        0 | 1 => {}
        count => return Err(DocumentError::Several { count, expected: kind.title }),
    }
    let positions = check_kinds(text, |_| kind)?;
    let mut documents = positions.into_iter().zip(parse(text)?);
    documents.next().ok_or(DocumentError::Empty { expected: kind.title })
}

fn check_kind(header: &Spanned<Header>, expected: Kind) -> Result<Position, DocumentError> {
    let position = header.referenced.into();
    let missing = |field: &str| DocumentError::Missing { position, field: field.to_owned(), expected: expected.title };
    let kind = header.value.kind.as_ref().ok_or_else(|| missing("kind"))?;
    let version = header.value.api_version.as_ref().ok_or_else(|| missing("apiVersion"))?;
    if kind.value == expected.kind && version.value == expected.api_version {
        return Ok(position);
    }
    Err(DocumentError::Kind {
        position: kind.referenced.into(),
        found: describe(&kind.value, &version.value),
        expected: expected.title,
    })
}

/// A kind as text for people, unless it does not look like a kind: a secret may be in the wrong field.
fn describe(kind: &str, version: &str) -> String {
    let word = |text: &str| {
        text.len() <= 63 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./-".contains(&byte))
    };
    if word(kind) && word(version) { format!("'{kind}' ({version})") } else { "another kind".to_owned() }
}

/// All documents of a text; empty ones do not count.
pub(super) fn parse<'text, T: Deserialize<'text>>(text: &'text str) -> Result<Vec<T>, DocumentError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLarge);
    }
    serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| in_our_words(&error))
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        // An excerpt would show the lines around the error, which may hold codes and keys.
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_events: 20_000,
            max_nodes: 10_000,
            max_depth: 32,
            flow_nesting_limit: 32,
            max_documents: 64,
            // No document here needs aliases, and with them a small text can expand to a huge one.
            max_aliases: 0,
            max_anchors: 0,
            max_merge_keys: 0,
            max_inclusion_depth: 0,
            max_total_scalar_bytes: MAX_DOCUMENT_BYTES,
            max_total_comment_bytes: MAX_DOCUMENT_BYTES,
        },
    }
}

/// Says what is wrong without the parser's own message, which may quote the value it stumbled over.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum, of 60 variants and growing")]
fn in_our_words(error: &serde_saphyr::Error) -> DocumentError {
    use serde_saphyr::Error;
    let expected = match error {
        Error::Eof { .. } => "the text ends in the middle of a value".to_owned(),
        Error::DuplicateMappingKey { .. } => "this field is there twice".to_owned(),
        Error::Budget { .. } => "nested too deeply, too many fields, or an anchor or alias".to_owned(),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("expected {expected}")
        }
        Error::Unexpected { expected: "mapping start", .. } => "expected fields ('name: value')".to_owned(),
        Error::Unexpected { expected: "sequence start", .. } => "expected a list ('- value')".to_owned(),
        Error::Unexpected { expected: "string scalar", .. } => "expected a text".to_owned(),
        Error::Unexpected { expected, .. } => format!("expected {expected}"),
        Error::NullIntoString { .. } => "expected a text".to_owned(),
        _ => "this is neither YAML nor JSON".to_owned(),
    };
    let position = error.location().map_or(Position { line: 1, column: 1 }, Position::from);
    DocumentError::Syntax { position, expected }
}

/// Names the fields of one document in errors.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    /// Where the document begins.
    pub(super) position: Position,
}

impl Fields {
    /// The field's value, or the error that it is missing.
    pub(super) fn need<T>(
        self,
        field: Field<T>,
        name: &str,
        expected: &'static str,
    ) -> Result<Spanned<T>, DocumentError> {
        field.ok_or_else(|| self.missing(name, expected))
    }

    /// The error that a field is missing.
    pub(super) fn missing(self, name: &str, expected: &'static str) -> DocumentError {
        DocumentError::Missing { position: self.position, field: name.to_owned(), expected }
    }

    /// The field's text as a value, or the error that says what it must be.
    pub(super) fn value<T>(self, field: Field<String>, name: &str, expected: &'static str) -> Result<T, DocumentError>
    where
        T: std::str::FromStr<Err: fmt::Display>,
    {
        let text = self.need(field, name, expected)?;
        text.value.parse().map_err(|error: T::Err| invalid(&text, name, error.to_string()))
    }
}

/// The error that a value is not what it must be; `expected` begins with "must".
pub(super) fn invalid<T>(value: &Spanned<T>, name: &str, expected: impl Into<String>) -> DocumentError {
    DocumentError::Invalid { position: value.referenced.into(), field: name.to_owned(), expected: expected.into() }
}
