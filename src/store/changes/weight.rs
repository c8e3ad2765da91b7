//! An estimate of the memory that an entry holds besides its own size.

use serde_json::Value;

use super::{ChangeEffect, LastState};
use crate::{
    grant::GrantMetadata,
    store::{Labels, ObjectContent},
};

/// The least that one small allocation takes, in bytes.
const ALLOCATION: usize = 32;

/// The estimate, in bytes.
pub(super) fn weight(effect: &ChangeEffect) -> usize {
    match effect {
        ChangeEffect::Added => 0,
        ChangeEffect::Modified { labels_before } => labels_before.as_ref().map_or(0, texts),
        ChangeEffect::Removed(LastState::Unreadable) => 0,
        ChangeEffect::Removed(LastState::Grant(grant)) => {
            let GrantMetadata { labels, annotations, settings } = &grant.metadata;
            size_of_val(&**grant) + grant.code.expose().len() + texts(labels) + texts(annotations) + texts(settings)
        }
        ChangeEffect::Removed(LastState::Object(object)) => {
            let ObjectContent { labels, annotations, body } = &object.content;
            let body: usize = body.iter().map(|(name, value)| ALLOCATION + name.len() + of_value(value)).sum();
            size_of_val(&**object) + texts(labels) + texts(annotations) + body
        }
    }
}

fn texts(map: &Labels) -> usize {
    map.iter().map(|(key, value)| 2 * ALLOCATION + key.len() + value.len()).sum()
}

/// The recursion is bounded: values were parsed by serde_json, which limits how deep they are nested.
fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => ALLOCATION,
        Value::String(text) => ALLOCATION + text.len(),
        Value::Array(values) => ALLOCATION + values.iter().map(of_value).sum::<usize>(),
        Value::Object(members) => {
            ALLOCATION + members.iter().map(|(name, value)| ALLOCATION + name.len() + of_value(value)).sum::<usize>()
        }
    }
}
