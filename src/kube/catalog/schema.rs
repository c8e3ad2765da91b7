//! The fields of the types this API serves, with their descriptions: `kubectl explain` shows them, and objects from
//! callers are checked against them. The fields of one type are in the file of its entry, common ones are here.

use std::time::Duration;

use crate::grant::format_go_duration;

/// A field of an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// The description; `{default}` in it is replaced by the default.
    description: &'static str,
    pub(crate) kind: FieldKind,
    pub(crate) presence: Presence,
    default: Option<DefaultValue>,
}

/// The value of a field that is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DefaultValue {
    Number(u32),
    Duration(Duration),
}

impl Field {
    /// The description that `kubectl explain` shows.
    pub(crate) fn description(&self) -> String {
        let default = match self.default {
            None => return self.description.to_owned(),
            Some(DefaultValue::Number(number)) => number.to_string(),
            Some(DefaultValue::Duration(duration)) => format_go_duration(duration),
        };
        self.description.replace("{default}", &default)
    }

    pub(crate) const fn with_default(self, default: DefaultValue) -> Self {
        Self { default: Some(default), ..self }
    }
}

/// Whether a field may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Optional,
    /// The field must be present whenever the object that it belongs to is.
    Required,
}

/// The type of a field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Text,
    Integer,
    Boolean,
    /// A text such as `1h30m`.
    Duration,
    /// A map of texts.
    Texts,
    /// The data of a Secret: a map from keys to secret values.
    Data(Encoding),
    Object(&'static [Field]),
    /// A list of objects.
    List(&'static [Field]),
}

/// The encoding of the data of a Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    /// Base64 (RFC 4648 4).
    Base64,
}

pub(crate) const fn field(name: &'static str, kind: FieldKind, description: &'static str) -> Field {
    Field { name, description, kind, presence: Presence::Optional, default: None }
}

pub(crate) const fn required(name: &'static str, kind: FieldKind, description: &'static str) -> Field {
    Field { name, description, kind, presence: Presence::Required, default: None }
}

pub(crate) const STATUS: Field = field("status", FieldKind::Text, "Ready or Error.");
/// The status of an object whose processing takes time.
pub(crate) const STATUS_OR_PENDING: Field = field("status", FieldKind::Text, "Ready, Pending or Error.");
pub(crate) const MESSAGE: Field = field("message", FieldKind::Text, "OK, or what is wrong, in words.");
pub(crate) const CONDITIONS: Field =
    field("conditions", FieldKind::List(CONDITION), "What the status adds up from. The one named Ready is their sum.");

const CONDITION: &[Field] = &[
    field("type", FieldKind::Text, "Its name."),
    field("status", FieldKind::Text, "True or False."),
    field("reason", FieldKind::Text, "Why, in one word."),
    field("message", FieldKind::Text, "Why, in words."),
    field("observedGeneration", FieldKind::Integer, "The generation of the object that it speaks of."),
    field("lastTransitionTime", FieldKind::Text, "Since when it is so, as RFC 3339 writes it."),
];
