//! How much memory values take, in bytes and by estimate: more than their text when they are small. `[]` is 2 bytes of JSON
//! and 32 of memory, `{"a":0}` is 7 and more than 600.

use serde_json::{Map, Value};

/// The least that one allocation takes.
const ALLOCATION: usize = 16;
/// An item of an array, whose memory grows by doubling.
const ITEM: usize = 2 * size_of::<Value>();
/// The memory of an array begins with space for four items, and that of an object with space for eleven members.
const FIRST_ITEM: usize = 4 * size_of::<Value>();
const FIRST_MEMBER: usize = 640;
/// A member of an object beside its name; the blocks of memory are at least half filled.
const MEMBER: usize = 128;

/// A value beside its own 32 bytes. Recursion is safe, as the nesting of everything that is read is limited.
pub(crate) fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => of_text(text),
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| of_item(index) + of_value(item)).sum(),
        Value::Object(members) => of_members(members),
    }
}

/// The members of an object.
pub(crate) fn of_members(members: &Map<String, Value>) -> usize {
    members.iter().enumerate().map(|(index, (name, value))| of_member(index, name) + of_value(value)).sum()
}

/// A text beside its own 24 bytes.
pub(crate) fn of_text(text: &str) -> usize {
    if text.is_empty() { 0 } else { ALLOCATION + text.len() }
}

/// The `index`th item of an array, from 0, beside what the value itself takes.
pub(crate) fn of_item(index: usize) -> usize {
    if index == 0 { FIRST_ITEM } else { ITEM }
}

/// A member of an object that has `index` others, beside what the value itself takes.
pub(crate) fn of_member(index: usize, name: &str) -> usize {
    of_text(name) + if index == 0 { FIRST_MEMBER } else { MEMBER }
}
