//! From changes to events: which changes a watch with a selector sends, and as which type of event.

use std::collections::HashMap;

use super::event::EventType;
use crate::{
    grant::Revision,
    kube::engine::kind::{Kind, Subject},
    store::{ChangeEffect, Labels, LastState},
};

/// A change of an object of the type that is watched.
#[derive(Debug)]
pub(super) struct ObjectChange<'c> {
    pub(super) revision: Revision,
    pub(super) subject: Subject<'c>,
    pub(super) effect: &'c ChangeEffect,
}

/// The state of a changed object when it was read.
#[derive(Debug)]
pub(super) enum Current<S> {
    /// It exists, and may have changed since.
    Found(S),
    /// It was removed since; another object may have its name.
    Gone,
    /// It exists, and its row is corrupt.
    Unreadable,
}

/// An event to be sent.
#[derive(Debug)]
pub(super) struct Step<'c> {
    pub(super) revision: Revision,
    pub(super) event: EventType,
    pub(super) subject: Subject<'c>,
    /// The object as it was last, if it was removed since.
    pub(super) last: Option<&'c LastState>,
}

/// What is known of an object after an entry, seen from the next one.
#[derive(Debug, Clone, Copy)]
struct After<'c> {
    /// Whether it is there and selected.
    selected: bool,
    last: Option<&'c LastState>,
    /// The next entry, if there is one.
    next: Option<Revision>,
}

/// The events of all entries up to `end`.
///
/// `entries` are all changes of the objects in `now` that led to what they are now, in order. They are gone through
/// backwards: which labels an object had between two of them is known from what is there now, and from those that a
/// change replaced. So an event depends only on what was before and after its change, and not on when it was looked at.
pub(super) fn steps<'c, K: Kind>(
    kind: K,
    entries: Vec<ObjectChange<'c>>,
    now: &HashMap<String, Current<K::State>>,
    selects: impl Fn(&Subject<'_>, &Labels) -> bool,
    end: Revision,
) -> Vec<Step<'c>> {
    let mut known: HashMap<String, After<'c>> = HashMap::new();
    let mut steps = Vec::new();
    for ObjectChange { revision, subject, effect } in entries.into_iter().rev() {
        let state = now.get(&subject.uid);
        let mut after = known.get(&subject.uid).copied().unwrap_or_else(|| {
            let selected = match state {
                Some(Current::Found(state)) => selects(&subject, kind.meta(state).labels),
                Some(Current::Gone | Current::Unreadable) | None => false,
            };
            After { selected, last: None, next: None }
        });
        let before = match effect {
            ChangeEffect::Added => false,
            ChangeEffect::Modified { labels_before: Some(labels) } => selects(&subject, labels),
            ChangeEffect::Modified { labels_before: None } => after.selected,
            ChangeEffect::Removed(last) => {
                after = After { selected: false, last: Some(last), next: None };
                // A deletion too many does no harm; a client that keeps an object that is gone does.
                kind.last(last).is_none_or(|state| selects(&subject, kind.meta(&state).labels))
            }
        };
        let event = match (before, after.selected) {
            (false, true) => Some(EventType::Added),
            // The next one shows the same.
            (true, true) if after.next.is_some_and(|next| next <= end) => None,
            (true, true) => Some(EventType::Modified),
            (true, false) => Some(EventType::Deleted),
            (false, false) => None,
        };
        known.insert(subject.uid.clone(), After { selected: before, last: after.last, next: Some(revision) });
        let can_be_shown = match (state, after.last) {
            (Some(Current::Found(_) | Current::Gone), _) | (_, Some(_)) => true,
            (Some(Current::Unreadable) | None, None) => false,
        };
        if let Some(event) = event.filter(|_| can_be_shown && revision <= end) {
            steps.push(Step { revision, event, subject, last: after.last });
        }
    }
    steps.reverse();
    steps
}
