//! What a caller says of how something is to be done.

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
    /// Where the page before ended.
    pub(crate) start: Option<Continue>,
    pub(crate) selector: Selector,
}

/// What a watch sends.
#[derive(Debug)]
pub(crate) struct WatchOptions {
    pub(crate) selector: Selector,
    pub(crate) start: Start,
    /// Whether the client asks for a mark after the initial events.
    pub(crate) end_of_initial_events: EndOfInitialEvents,
    pub(crate) bookmarks: Bookmarks,
    pub(crate) lasts: Duration,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With everything there is, at this revision or later.
    All { at_least: Option<Revision> },
    /// With what changes from now on.
    Now,
    /// With the first change after this revision.
    After(Revision),
}

/// Whether the end of the initial events is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndOfInitialEvents {
    /// A bookmark follows the last of them.
    Sent,
    /// Nothing follows the last of them.
    NotSent,
}

/// Whether bookmarks are sent: events without an object, which say how far a watch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bookmarks {
    Sent,
    /// The client would not understand them.
    NotSent,
}

/// Whether a write is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The change is stored.
    Lasting,
    /// The change is checked and shown, and not stored.
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
