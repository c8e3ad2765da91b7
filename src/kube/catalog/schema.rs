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
pub(crate) const MESSAGE: Field = field("message", FieldKind::Text, "OK, or a sentence about what is wrong.");
pub(crate) const CONDITIONS: Field = field(
    "conditions",
    FieldKind::List(CONDITION),
    "The parts of the status. The condition Ready is true when all others are.",
);

const CONDITION: &[Field] = &[
    field("type", FieldKind::Text, "The name of the condition."),
    field("status", FieldKind::Text, "True or False."),
    field("reason", FieldKind::Text, "The reason for the status, in one word."),
    field("message", FieldKind::Text, "The reason for the status, in a sentence."),
    field("observedGeneration", FieldKind::Integer, "The generation of the object that the condition is about."),
    field(
        "lastTransitionTime",
        FieldKind::Text,
        "The time of the last change of the status, in the format of RFC 3339.",
    ),
];
