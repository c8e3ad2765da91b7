//! Objects made from arbitrary bytes, mostly of the fields that a type has, so that a fuzzer reaches code behind the first
//! checks.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::kube::catalog::{
    resource_type::ResourceType,
    schema::{Encoding, Field, FieldKind},
};

/// The deepest nesting of arbitrary values.
const DEEPEST: u8 = 4;

/// Texts that have a meaning in some field.
const WORDS: [&str; 32] = [
    "a",
    "west",
    "inter-router",
    "edge",
    "10.1.1.1",
    "::1",
    "55671",
    "0",
    "65536",
    "kubernetes.io/tls",
    "Opaque",
    "tls.crt",
    "tls.key",
    "ca.crt",
    "YQ==",
    "Y\nQ==",
    "https://a:9090/87426fa9-5623-49af-a612-47d33b7a4200",
    "https://[::1]/x",
    "http://a",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "-----END CERTIFICATE----- -----BEGIN CERTIFICATE-----",
    "default",
    "none",
    "15m0s",
    "True",
    "Ready",
    "Configured",
    "inter-router-host",
    "inter-router-port",
    "edge-host",
    "edge-port",
    "",
];

/// A small JSON value whose structure the bytes choose.
pub(super) fn unit(structure: &[u8]) -> String {
    let (mut text, mut open, mut filled) = (String::new(), Vec::new(), false);
    for byte in structure.iter().take(64) {
        let is_object = matches!(open.last(), Some('}'));
        let (opening, closing) = match byte % 6 {
            0 => ("[", Some(']')),
            1 => ("{", Some('}')),
            2 if !open.is_empty() => {
                text.extend(open.pop());
                filled = true;
                continue;
            }
            3 => ("\"\"", None),
            4 => ("\"a\"", None),
            _ => ("0", None),
        };
        if filled {
            if open.is_empty() {
                break;
            }
            text.push(',');
        }
        if is_object {
            text.push_str(&format!("\"{:x}\":", text.len()));
        }
        text.push_str(opening);
        open.extend(closing);
        filled = closing.is_none();
    }
    text.extend(open.into_iter().rev());
    if text.is_empty() { "0".to_owned() } else { text }
}

/// An entry of the field `data` of a Secret in protobuf, with a name of its own.
pub(super) fn encoded_field(number: usize, value: &[u8]) -> Vec<u8> {
    let (name, value) = (format!("{number:x}"), &value[..value.len().min(16)]);
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap_or_default();
    let pair = [&[0x0a, length(name.as_bytes())], name.as_bytes(), &[0x12, length(value)], value].concat();
    [&[0x12, length(&pair)], pair.as_slice()].concat()
}

/// The input bytes, from which every choice is made.
pub(super) struct Shaped<'b>(&'b [u8]);

impl<'b> Shaped<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; 0 at the end of the input.
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn bytes(&mut self) -> &'b [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn text(&mut self) -> String {
        let byte = self.byte();
        match WORDS.get(usize::from(byte)) {
            Some(word) => (*word).to_owned(),
            None if byte == u8::MAX => "a".repeat(usize::from(self.byte()) + 1),
            None => String::from_utf8_lossy(self.bytes()).into_owned(),
        }
    }

    fn number(&mut self) -> Value {
        match self.byte() % 10 {
            0 => json!(0),
            1 => json!(-1),
            2 => json!(u32::MAX),
            3 => json!(u64::from(u32::MAX) + 1),
            4 => json!(u64::MAX),
            5 => json!(i64::MIN),
            6 => json!(1.5),
            7 => json!(1e300),
            8 => json!(self.byte()),
            _ => json!(1),
        }
    }

    fn texts(&mut self, key: impl Fn(&mut Self) -> String, value: impl Fn(&mut Self) -> Value) -> Value {
        let count = self.byte() % 5;
        Value::Object((0..count).map(|_| (key(self), value(self))).collect())
    }

    /// An arbitrary JSON value.
    pub(super) fn anything(&mut self, depth: u8) -> Value {
        match self.byte() % 8 {
            0 => Value::Null,
            1 => (self.byte().is_multiple_of(2)).into(),
            2 => self.number(),
            3 if depth < DEEPEST => (0..self.byte() % 4).map(|_| self.anything(depth + 1)).collect(),
            4 if depth < DEEPEST => self.texts(Self::text, |this| this.anything(depth + 1)),
            _ => self.text().into(),
        }
    }

    /// The value of a field: mostly of its type.
    fn of(&mut self, kind: &FieldKind) -> Value {
        if self.byte() % 16 == 15 {
            return self.anything(0);
        }
        match kind {
            FieldKind::Text | FieldKind::Duration => self.text().into(),
            FieldKind::Integer => self.number(),
            FieldKind::Boolean => (self.byte().is_multiple_of(2)).into(),
            FieldKind::Texts => self.texts(Self::text, |this| this.text().into()),
            FieldKind::Data(Encoding::Plain) => self.texts(Self::text, |this| this.text().into()),
            FieldKind::Data(Encoding::Base64) => self.texts(Self::text, |this| STANDARD.encode(this.bytes()).into()),
            FieldKind::Object(fields) => self.members(fields).into(),
            FieldKind::List(fields) => match self.byte() {
                // More than any client needs.
                u8::MAX => vec![Value::Object(self.members(fields)); usize::from(self.byte())].into(),
                count => (0..count % 4).map(|_| Value::Object(self.members(fields))).collect(),
            },
        }
    }

    fn members(&mut self, fields: &[Field]) -> Map<String, Value> {
        let mut members = Map::new();
        for field in fields {
            if self.byte() % 8 != 7 {
                members.insert(field.name.to_owned(), self.of(&field.kind));
            }
        }
        if self.byte() % 16 == 15 {
            members.insert(self.text(), self.anything(0));
        }
        members
    }

    /// An object of this type.
    pub(super) fn object(&mut self, resource: &ResourceType) -> Value {
        let mut object = self.members(resource.fields);
        object.insert("apiVersion".to_owned(), resource.group_version.api_version().into());
        object.insert("kind".to_owned(), resource.kind.into());
        let mut metadata = json!({});
        metadata[if self.byte() % 8 == 7 { "generateName" } else { "name" }] = self.text().into();
        for name in ["labels", "annotations"] {
            if self.byte() % 4 == 3 {
                metadata[name] = self.of(&FieldKind::Texts);
            }
        }
        if self.byte() % 8 == 7 {
            metadata[self.text()] = self.anything(0);
        }
        object.insert("metadata".to_owned(), metadata);
        Value::Object(object)
    }
}
