//! An estimate of the memory that an entry holds besides its own size.

use super::{ChangeEffect, LastState};
use crate::{
    grant::GrantMetadata,
    store::{Labels, ObjectContent, footprint},
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
            let ObjectContent { labels, annotations, body, private } = &object.content;
            let members = footprint::of_members(body) + footprint::of_members(private);
            size_of_val(&**object) + texts(labels) + texts(annotations) + members
        }
    }
}

fn texts(map: &Labels) -> usize {
    map.iter().map(|(key, value)| 2 * ALLOCATION + key.len() + value.len()).sum()
}
