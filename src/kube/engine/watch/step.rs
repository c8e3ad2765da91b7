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
    /// The object exists; it may have changed again after the change.
    Found(S),
    /// The object was removed; another object may have its name now.
    Gone,
    /// The object exists, but its row is corrupt.
    Unreadable,
}

/// An event to be sent.
#[derive(Debug)]
pub(super) struct Step<'c> {
    pub(super) revision: Revision,
    pub(super) event: EventType,
    pub(super) subject: Subject<'c>,
    /// The last state of the object, if it has been removed.
    pub(super) last: Option<&'c LastState>,
}

/// What is known about an object after the entry that is being processed. Entries are processed backwards.
#[derive(Debug, Clone, Copy)]
struct After<'c> {
    /// Whether the object exists and is selected.
    selected: bool,
    last: Option<&'c LastState>,
    /// The revision of the next entry for this object, if there is one.
    next: Option<Revision>,
}

/// The events of all entries up to `end`.
///
/// `entries` are, in order, all changes that led to the states in `now`. They are processed backwards: the labels that an
/// object had between two changes follow from its present labels and from those that a change replaced. So an event
/// depends only on the states before and after its change, and not on the time of reading.
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
                // When in doubt a deletion is sent: a superfluous one is harmless, but without a needed one the
                // client would keep the object for ever.
                kind.last(last).is_none_or(|state| selects(&subject, kind.meta(&state).labels))
            }
        };
        let event = match (before, after.selected) {
            (false, true) => Some(EventType::Added),
            // The event of the next entry shows the same object.
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
