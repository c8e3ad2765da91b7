//! What a watch is asked to tell (kubectl.md 4.4).

use std::time::Duration;

use super::{Query, means_yes};
use crate::{
    grant::{Revision, parse_go_duration},
    kube::{
        catalog::resource_type::ResourceType,
        engine::selector::Selector,
        problem::{
            cause::{Cause, Shown},
            status::Problem,
        },
    },
};

/// What a watch tells.
#[derive(Debug)]
pub(crate) struct WatchOptions {
    pub(crate) selector: Selector,
    pub(crate) start: Start,
    /// Whether the client wants to know when everything is told that there was at the beginning.
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

/// Whether the end of the initial events is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndOfInitialEvents {
    /// With a bookmark.
    Told,
    /// Not at all.
    Untold,
}

/// Whether a client is told how far a watch has come, without an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bookmarks {
    Wanted,
    /// They would not be understood.
    Unwanted,
}

/// The longest that a watch lasts.
const LONGEST_WATCH: Duration = Duration::from_secs(60 * 60);
/// The shortest that one lasts of which nothing is said.
const SHORTEST_WATCH: Duration = Duration::from_secs(30 * 60);

impl WatchOptions {
    /// # Errors
    /// 400 for an option that cannot be honoured, and 422 for options that are none together.
    pub(crate) fn read(resource: &'static ResourceType, query: &Query) -> Result<Self, Problem> {
        if query.one("continue")?.is_some() {
            return Err(Problem::BadRequest("a watch cannot be continued like a list".to_owned()));
        }
        let bookmarks = match query.one("allowWatchBookmarks")?.is_some_and(means_yes) {
            true => Bookmarks::Wanted,
            false => Bookmarks::Unwanted,
        };
        let (start, end_of_initial_events) = Start::read(resource, query)?;
        let (labels, fields) = (query.one("labelSelector")?, query.one("fieldSelector")?);
        Ok(Self {
            selector: Selector::read(labels, fields, resource.selectable).map_err(Problem::BadRequest)?,
            start,
            end_of_initial_events,
            bookmarks,
            lasts: duration_of_watch(query)?,
        })
    }
}

impl Start {
    fn read(resource: &'static ResourceType, query: &Query) -> Result<(Self, EndOfInitialEvents), Problem> {
        let revision = query.one("resourceVersion")?.map(|text| {
            let revision = text.parse().map(Revision);
            revision.map_err(|_| Problem::BadRequest(format!("resourceVersion: Invalid value: {}", text.shown())))
        });
        let revision = revision.transpose()?.filter(|revision| *revision != Revision(0));
        let forbidden = |why: &str| {
            let cause = Cause::forbidden("resourceVersionMatch", why);
            Problem::Invalid { resource, name: String::new(), causes: vec![cause] }
        };
        match (query.one("sendInitialEvents")?.map(means_yes), query.one("resourceVersionMatch")?, revision) {
            (None, Some(_), _) => {
                Err(forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"))
            }
            (None, None, Some(revision)) => Ok((Self::After(revision), EndOfInitialEvents::Untold)),
            (None, None, None) => Ok((Self::All { at_least: None }, EndOfInitialEvents::Untold)),
            (Some(true), Some("NotOlderThan"), at_least) => Ok((Self::All { at_least }, EndOfInitialEvents::Told)),
            (Some(false), Some("NotOlderThan"), Some(revision)) => {
                Ok((Self::After(revision), EndOfInitialEvents::Untold))
            }
            (Some(false), Some("NotOlderThan"), None) => Ok((Self::Now, EndOfInitialEvents::Untold)),
            (Some(_), Some(_) | None, _) => {
                Err(forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
            }
        }
    }
}

/// The shorter of what `timeoutSeconds` and `timeout` say. Without them, and for 0, it is left to chance, so that watches
/// that began together do not end together.
fn duration_of_watch(query: &Query) -> Result<Duration, Problem> {
    let invalid = |name: &str, text: &str| Problem::BadRequest(format!("{name}: Invalid value: {}", text.shown()));
    let seconds = query.one("timeoutSeconds")?.map(|text| text.parse().map_err(|_| invalid("timeoutSeconds", text)));
    let seconds = seconds.transpose()?.map(Duration::from_secs);
    let timeout = query.one("timeout")?.map(|text| {
        let nanoseconds = parse_go_duration(text).ok().and_then(|n| u64::try_from(n).ok());
        nanoseconds.map(Duration::from_nanos).ok_or_else(|| invalid("timeout", text))
    });
    let wanted = seconds.into_iter().chain(timeout.transpose()?).filter(|wanted| !wanted.is_zero()).min();
    let by_chance = || {
        let spread = (LONGEST_WATCH - SHORTEST_WATCH).as_secs();
        SHORTEST_WATCH + Duration::from_secs(uuid::Uuid::new_v4().as_u64_pair().1 % spread)
    };
    Ok(wanted.unwrap_or_else(by_chance).min(LONGEST_WATCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::catalog::access_grant::ACCESS_GRANTS;

    #[test]
    fn a_watch_begins_where_it_is_told_to() {
        use EndOfInitialEvents::{Told, Untold};
        let start = |text: &str| {
            let options = WatchOptions::read(&ACCESS_GRANTS, &Query::read(text).unwrap())?;
            Ok::<_, Problem>((options.start, options.end_of_initial_events))
        };
        let table = [
            ("", (Start::All { at_least: None }, Untold)),
            ("resourceVersion=0", (Start::All { at_least: None }, Untold)),
            ("resourceVersion=7", (Start::After(Revision(7)), Untold)),
            ("sendInitialEvents=true&resourceVersionMatch=NotOlderThan", (Start::All { at_least: None }, Told)),
            (
                "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=7",
                (Start::All { at_least: Some(Revision(7)) }, Told),
            ),
            ("sendInitialEvents=false&resourceVersionMatch=NotOlderThan", (Start::Now, Untold)),
        ];
        for (text, expected) in table {
            assert_eq!(start(text).unwrap(), expected, "{text}");
        }
        assert!(matches!(start("resourceVersion=x"), Err(Problem::BadRequest(_))));
        for text in [
            "sendInitialEvents=true",
            "sendInitialEvents=true&resourceVersionMatch=Exact",
            "resourceVersionMatch=NotOlderThan",
        ] {
            assert!(matches!(start(text), Err(Problem::Invalid { .. })), "{text}");
        }
    }

    #[test]
    fn a_watch_lasts_as_long_as_it_is_told_to_and_never_longer_than_an_hour() {
        let lasts = |text: &str| WatchOptions::read(&ACCESS_GRANTS, &Query::read(text).unwrap()).map(|o| o.lasts);
        for (text, seconds) in [("timeoutSeconds=5", 5), ("timeout=1m5s&timeoutSeconds=70", 65), ("timeout=9h", 3600)] {
            assert_eq!(lasts(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "timeoutSeconds=0", "timeout=0s"] {
            assert!((SHORTEST_WATCH..=LONGEST_WATCH).contains(&lasts(text).unwrap()), "{text}");
        }
        for text in ["timeoutSeconds=x", "timeoutSeconds=-1", "timeout=5", "timeout=-5s"] {
            assert!(lasts(text).is_err(), "{text}");
        }
    }
}
