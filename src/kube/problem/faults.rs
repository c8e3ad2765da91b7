//! Reading the fields of an object, and collecting all faults.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value};

use super::cause::{Cause, shortened};

/// The most faults that are collected for one object, as an object with a fault in every byte would make a huge answer.
const MOST_FAULTS: usize = 32;
/// The most bytes that all keys and values of one map may have, as Kubernetes limits annotations.
const LONGEST_MAP: usize = 256 * 1024;

/// The text of a member that is known to be a text. The empty text counts as absent, as Go's clients do not send it.
pub(crate) fn text<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The members of a member that is known to be an object; no members when it is absent.
pub(crate) fn object<'v>(members: &'v Map<String, Value>, name: &str) -> &'v Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    members.get(name).and_then(Value::as_object).unwrap_or(&NONE)
}

/// The treatment of unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// The request is refused.
    Strict,
    /// Unknown fields are dropped, with a warning.
    Warn,
    /// Unknown fields are dropped silently.
    Ignore,
}

/// The faults found so far, and the fields that the type does not have.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) causes: Vec<Cause>,
    unknown: Vec<String>,
}

impl Faults {
    /// Adds a fault, unless it was added before: the type of a field and its rules are checked separately.
    pub(crate) fn add(&mut self, cause: Cause) {
        if self.causes.len() < MOST_FAULTS && !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
    }

    /// The object at `field`. Null counts as absent, as clients write it for fields that are not set.
    pub(crate) fn object<'v>(&mut self, field: &str, value: Option<&'v Value>) -> Option<&'v Map<String, Value>> {
        match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(members)) => Some(members),
            Some(other) => self.wrong_type(field, other, "object"),
        }
    }

    /// The text at `field`. The empty text counts as absent, as Go's clients do not send it.
    pub(crate) fn text<'v>(&mut self, field: &str, value: Option<&'v Value>) -> Option<&'v str> {
        match value {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.as_str()).filter(|text| !text.is_empty()),
            Some(other) => self.wrong_type(field, other, "string"),
        }
    }

    /// The map of texts at `field`; an absent one counts as empty.
    pub(crate) fn texts(&mut self, field: &str, value: Option<&Value>) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        let mut size = 0;
        for (key, value) in self.object(field, value).into_iter().flatten() {
            if let Value::String(text) = value {
                size += key.len() + text.len();
                texts.insert(key.clone(), text.clone());
            } else {
                self.add(Cause::wrong_type(field, value, "string"));
            }
        }
        if size > LONGEST_MAP {
            self.add(Cause::too_long(field, LONGEST_MAP));
        }
        texts
    }

    /// Collects the names of members that are not in `known`.
    pub(crate) fn only(&mut self, prefix: &str, members: &Map<String, Value>, known: &[&str]) {
        let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
        self.unknown.extend(unknown.map(|name| format!("unknown field \"{prefix}{}\"", shortened(name))));
    }

    fn wrong_type<T>(&mut self, field: &str, found: &Value, expected: &str) -> Option<T> {
        self.add(Cause::wrong_type(field, found, expected));
        None
    }

    /// The warnings about unknown fields, as the caller's `fieldValidation` chooses.
    ///
    /// # Errors
    /// The message that refuses the request because of them.
    pub(crate) fn unknown_fields(&mut self, validation: FieldValidation) -> Result<Vec<String>, String> {
        let unknown = std::mem::take(&mut self.unknown);
        match validation {
            FieldValidation::Ignore => Ok(Vec::new()),
            FieldValidation::Warn => Ok(unknown),
            FieldValidation::Strict if unknown.is_empty() => Ok(unknown),
            FieldValidation::Strict => {
                let shown = unknown.iter().take(16).map(String::as_str).collect::<Vec<_>>();
                Err(format!("strict decoding error: {}", shown.join(", ")))
            }
        }
    }
}
