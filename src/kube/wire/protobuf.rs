//! Kubernetes' protobuf bodies, for the few kinds that kubectl sends in no other form
//! (docs/kubernetes-api.md section 4.6): an envelope, and in it an object whose known fields become the JSON object
//! that the rest of this module reads.
//!
//! Unknown fields are skipped, as protobuf requires; a known field that is malformed is refused. Nesting is limited: for
//! messages by the tables of known fields, for skipped groups by a constant. The memory that the fields take is limited as
//! for JSON.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::kube::problem::{
    budget::{Budget, Exhausted},
    status::Problem,
};

/// The media type of Kubernetes' protobuf.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// The magic bytes at the start of a protobuf body.
const MAGIC: &[u8] = b"k8s\0";
/// How deep groups may be nested; Kubernetes uses none.
const DEEPEST_GROUP: u32 = 16;
const UNKNOWN_KIND: &str =
    "protobuf is read for reviews, namespaces and secrets only - accepted media types include: application/json";

/// A field of a message that is converted.
struct Field {
    number: u32,
    /// The name of the field in JSON.
    name: &'static str,
    shape: Shape,
}

/// The type of a field.
enum Shape {
    Text,
    Flag,
    /// A map from texts to texts.
    Texts,
    /// A map from texts to bytes; in JSON the bytes are base64.
    Encoded,
    Message(&'static [Field]),
}

const fn text(number: u32, name: &'static str) -> Field {
    Field { number, name, shape: Shape::Text }
}

const fn message(number: u32, name: &'static str, fields: &'static [Field]) -> Field {
    Field { number, name, shape: Shape::Message(fields) }
}

const fn field(number: u32, name: &'static str, shape: Shape) -> Field {
    Field { number, name, shape }
}

static METADATA: [Field; 5] = [
    text(1, "name"),
    text(2, "generateName"),
    text(3, "namespace"),
    field(11, "labels", Shape::Texts),
    field(12, "annotations", Shape::Texts),
];
static RESOURCE_ATTRIBUTES: [Field; 7] = [
    text(1, "namespace"),
    text(2, "verb"),
    text(3, "group"),
    text(4, "version"),
    text(5, "resource"),
    text(6, "subresource"),
    text(7, "name"),
];
static ACCESS_SPEC: [Field; 2] = [
    message(1, "resourceAttributes", &RESOURCE_ATTRIBUTES),
    message(2, "nonResourceAttributes", &[text(1, "path"), text(2, "verb")]),
];
static ACCESS_REVIEW: [Field; 1] = [message(2, "spec", &ACCESS_SPEC)];
static RULES_REVIEW: [Field; 1] = [message(2, "spec", &[text(1, "namespace")])];
static NAMESPACE: [Field; 1] = [message(1, "metadata", &METADATA)];
static SECRET: [Field; 5] = [
    message(1, "metadata", &METADATA),
    field(2, "data", Shape::Encoded),
    text(3, "type"),
    field(4, "stringData", Shape::Texts),
    field(5, "immutable", Shape::Flag),
];
static ENVELOPE: [Field; 1] = [message(1, "type", &[text(1, "apiVersion"), text(2, "kind")])];

fn fields_of(api_version: &str, kind: &str) -> Option<&'static [Field]> {
    match (api_version, kind) {
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview") => Some(&ACCESS_REVIEW),
        ("authorization.k8s.io/v1", "SelfSubjectRulesReview") => Some(&RULES_REVIEW),
        // The only fields of this kind are the server's.
        ("authentication.k8s.io/v1" | "authentication.k8s.io/v1beta1", "SelfSubjectReview") => Some(&[]),
        ("v1", "Namespace") => Some(&NAMESPACE),
        ("v1", "Secret") => Some(&SECRET),
        _ => None,
    }
}

/// Converts a body to the equivalent JSON object.
///
/// # Errors
/// 400 for a malformed body, 413 for too many fields, and 415 for a kind that is not supported in protobuf.
pub(crate) fn object(bytes: &[u8]) -> Result<Value, Problem> {
    let envelope =
        bytes.strip_prefix(MAGIC).ok_or_else(|| malformed(&Malformed("does not begin as one of Kubernetes")))?;
    let budget = Budget::of_body(bytes.len());
    let refused = |fault: &Malformed| if budget.is_exhausted() { Problem::TooManyValues } else { malformed(fault) };
    let (api_version, kind, raw) = read_envelope(envelope, &budget).map_err(|fault| refused(&fault))?;
    let fields = fields_of(&api_version, &kind).ok_or(Problem::UnsupportedMediaType(UNKNOWN_KIND))?;
    let mut object = Map::new();
    read(fields, raw, &mut object, &budget).map_err(|fault| refused(&fault))?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

/// What is wrong with the bytes. It never quotes them, as they may be secret.
struct Malformed(&'static str);

const WRONG_TYPE: Malformed = Malformed("holds a field of the wrong type");
const CUT_SHORT: Malformed = Malformed("ends too early");

impl From<Exhausted> for Malformed {
    /// The text is never shown: the budget says that it is exhausted.
    fn from(Exhausted: Exhausted) -> Self {
        Self("has too many fields")
    }
}

fn malformed(fault: &Malformed) -> Problem {
    Problem::BadRequest(format!("the body is not valid protobuf: it {}", fault.0))
}

/// The envelope `runtime.Unknown`: the type of the object, and its bytes.
fn read_envelope<'b>(bytes: &'b [u8], budget: &Budget) -> Result<(String, String, &'b [u8]), Malformed> {
    let mut named = Map::new();
    read(&ENVELOPE, bytes, &mut named, budget)?;
    let named = Value::Object(named);
    let text = |pointer: &str| named.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut raw: &[u8] = &[];
    let mut wire = Wire(bytes);
    while let Some(entry) = wire.entry()? {
        match (entry.number, entry.content) {
            (2, content) => raw = content.bytes()?,
            // contentEncoding and contentType: of bytes that are something else than this kind's own.
            (3 | 4, content) if !content.bytes()?.is_empty() => return Err(Malformed("holds an encoded object")),
            _ => {}
        }
    }
    Ok((text("/type/apiVersion"), text("/type/kind"), raw))
}

/// Reads a message into an object. When a field comes twice, the last text counts, and messages are merged (protobuf's rule
/// for fields that are not repeated).
fn read(fields: &[Field], bytes: &[u8], into: &mut Map<String, Value>, budget: &Budget) -> Result<(), Malformed> {
    let mut wire = Wire(bytes);
    while let Some(entry) = wire.entry()? {
        let Some(field) = fields.iter().find(|field| field.number == entry.number) else { continue };
        match field.shape {
            Shape::Text => add(into, field.name, utf8(entry.content.bytes()?)?.into(), budget)?,
            Shape::Flag => add(into, field.name, (entry.content.number()? != 0).into(), budget)?,
            Shape::Texts => {
                let (key, value) = read_pair(entry.content.bytes()?)?;
                add(inner(into, field.name, budget)?, key, utf8(value)?.into(), budget)?;
            }
            Shape::Encoded => {
                let (key, value) = read_pair(entry.content.bytes()?)?;
                add(inner(into, field.name, budget)?, key, STANDARD.encode(value).into(), budget)?;
            }
            Shape::Message(fields) => {
                read(fields, entry.content.bytes()?, inner(into, field.name, budget)?, budget)?;
            }
        }
    }
    Ok(())
}

/// Adds a member, or replaces it.
fn add(into: &mut Map<String, Value>, name: &str, value: Value, budget: &Budget) -> Result<(), Exhausted> {
    if let Value::String(text) = &value {
        budget.text(text)?;
    }
    budget.member(into.len(), name)?;
    into.insert(name.to_owned(), value);
    Ok(())
}

/// The member of this name, which is an object.
fn inner<'m>(
    members: &'m mut Map<String, Value>,
    name: &str,
    budget: &Budget,
) -> Result<&'m mut Map<String, Value>, Malformed> {
    if !members.contains_key(name) {
        add(members, name, Map::new().into(), budget)?;
    }
    // No field has two shapes, so it is an object.
    members.get_mut(name).and_then(Value::as_object_mut).ok_or(WRONG_TYPE)
}

/// An entry of a map.
fn read_pair(bytes: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut key, mut value): (&str, &[u8]) = ("", &[]);
    let mut wire = Wire(bytes);
    while let Some(entry) = wire.entry()? {
        match entry.number {
            1 => key = utf8(entry.content.bytes()?)?,
            2 => value = entry.content.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    str::from_utf8(bytes).map_err(|_| Malformed("holds a text that is not UTF-8"))
}

/// The bytes that have not been read yet.
struct Wire<'b>(&'b [u8]);

struct Entry<'b> {
    number: u32,
    content: Content<'b>,
}

#[derive(Clone, Copy)]
enum Content<'b> {
    Bytes(&'b [u8]),
    Number(u64),
    /// A number of fixed length or a group; no known field has this type.
    Skipped,
}

impl<'b> Content<'b> {
    fn bytes(self) -> Result<&'b [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) | Self::Skipped => Err(WRONG_TYPE),
        }
    }

    fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) | Self::Skipped => Err(WRONG_TYPE),
        }
    }
}

/// The wire types of a tag.
const NUMBER: u32 = 0;
const EIGHT_BYTES: u32 = 1;
const LENGTH: u32 = 2;
const GROUP: u32 = 3;
const END_OF_GROUP: u32 = 4;
const FOUR_BYTES: u32 = 5;

impl<'b> Wire<'b> {
    /// The next field; `None` at the end.
    fn entry(&mut self) -> Result<Option<Entry<'b>>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let content = self.content(number, wire_type, DEEPEST_GROUP)?;
        Ok(Some(Entry { number, content }))
    }

    fn tag(&mut self) -> Result<(u32, u32), Malformed> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Malformed("holds a field number out of range"))?;
        match tag >> 3 {
            0 => Err(Malformed("holds a field without a number")),
            number => Ok((number, tag & 7)),
        }
    }

    fn content(&mut self, number: u32, wire_type: u32, depth: u32) -> Result<Content<'b>, Malformed> {
        match wire_type {
            NUMBER => self.varint().map(Content::Number),
            EIGHT_BYTES => self.take(8).map(|_| Content::Skipped),
            FOUR_BYTES => self.take(4).map(|_| Content::Skipped),
            LENGTH => {
                let length = usize::try_from(self.varint()?).map_err(|_| CUT_SHORT)?;
                self.take(length).map(Content::Bytes)
            }
            GROUP => self.skip_group(number, depth).map(|()| Content::Skipped),
            END_OF_GROUP => Err(Malformed("ends a group that did not begin")),
            _ => Err(Malformed("holds a wire type that is none")),
        }
    }

    fn skip_group(&mut self, group: u32, depth: u32) -> Result<(), Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed("is nested too deep"))?;
        loop {
            let (number, wire_type) = self.tag()?;
            if wire_type == END_OF_GROUP && number == group {
                return Ok(());
            }
            self.content(number, wire_type, depth)?;
        }
    }

    /// At most ten bytes, seven bits each, the lowest first.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = *self.take(1)? else { return Err(CUT_SHORT) };
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("holds a number that is too long"))
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CUT_SHORT)?;
        self.0 = rest;
        Ok(taken)
    }
}
