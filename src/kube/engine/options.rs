//! The options of requests.

use std::time::Duration;

use super::{page::Continue, selector::Selector};
use crate::{
    grant::Revision,
    kube::problem::{faults::FieldValidation, status::Problem},
};

/// What a list shows.
#[derive(Debug)]
pub(crate) struct ListOptions {
    pub(crate) limit: Option<u32>,
    /// Where the previous page ended.
    pub(crate) start: Option<Continue>,
    pub(crate) selector: Selector,
}

/// What a watch sends.
#[derive(Debug)]
pub(crate) struct WatchOptions {
    pub(crate) selector: Selector,
    pub(crate) start: Start,
    /// Whether the client asks for a bookmark at the end of the initial events.
    pub(crate) end_of_initial_events: EndOfInitialEvents,
    pub(crate) bookmarks: Bookmarks,
    pub(crate) lasts: Duration,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With all existing objects, at this revision or later.
    All { at_least: Option<Revision> },
    /// With the changes from now on.
    Now,
    /// With the first change after this revision.
    After(Revision),
}

/// Whether the end of the initial events is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndOfInitialEvents {
    /// A bookmark follows the last initial event.
    Sent,
    /// They end without a mark.
    NotSent,
}

/// Whether bookmarks are sent: events without an object that say up to which revision everything was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bookmarks {
    Sent,
    /// No bookmarks, as the client did not ask for them.
    NotSent,
}

/// Whether a write is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The change is stored.
    Lasting,
    /// The change is checked and shown, but not stored.
    DryRun,
}

impl Effect {
    /// The effect that `dryRun` asks for.
    ///
    /// # Errors
    /// 400 for a stage other than `All`.
    pub(crate) fn of_dry_run<'a>(stages: impl IntoIterator<Item = &'a str>) -> Result<Self, Problem> {
        let mut effect = Self::Lasting;
        for stage in stages {
            if stage != "All" {
                let message = format!("dryRun: Unsupported value: {stage:?}: supported values: \"All\"");
                return Err(Problem::BadRequest(message));
            }
            effect = Self::DryRun;
        }
        Ok(effect)
    }
}

/// How a write is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteOptions {
    pub(crate) effect: Effect,
    pub(crate) field_validation: FieldValidation,
}
