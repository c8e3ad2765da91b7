//! The options that Kubernetes' clients send in queries (for watches: docs/kubernetes-api.md section 4.4).
//!
//! Options that change the effect or the answer are honoured or refused, never ignored. Other options (`pretty`,
//! `fieldManager`, `resourceVersionMatch` of a list, ...) are ignored.

use std::time::Duration;

use super::query::{Query, means_yes};
use crate::{
    grant::{Revision, parse_go_duration},
    kube::{
        catalog::resource_type::ResourceType,
        engine::{
            options::{Bookmarks, Effect, EndOfInitialEvents, ListOptions, Start, WatchOptions, WriteOptions},
            selector::Selector,
        },
        kinds::ledger::{LedgerOptions, LedgerPageOptions, read_continue},
        problem::{
            cause::{Cause, Shown},
            faults::FieldValidation,
            status::Problem,
        },
    },
};

/// The longest time that a watch lasts.
const LONGEST_WATCH: Duration = Duration::from_secs(60 * 60);
/// The shortest time that a watch lasts when the client gives no time.
const SHORTEST_WATCH: Duration = Duration::from_secs(30 * 60);

/// Options of a list; `selectable` are the fields, besides namespace and name, that its field selector may refer to.
///
/// # Errors
/// 400 for an option that cannot be honoured.
pub(crate) fn read_list_options(query: &Query, selectable: &'static [&'static str]) -> Result<ListOptions, Problem> {
    let (labels, fields) = (query.one("labelSelector")?, query.one("fieldSelector")?);
    Ok(ListOptions {
        limit: query.limit()?,
        start: query.one("continue")?.map(str::parse).transpose().map_err(Problem::BadRequest)?,
        selector: Selector::read(labels, fields, selectable).map_err(Problem::BadRequest)?,
    })
}

/// Options of a write.
///
/// # Errors
/// 400 for an option that cannot be honoured.
pub(crate) fn read_write_options(query: &Query) -> Result<WriteOptions, Problem> {
    let field_validation = match query.one("fieldValidation")? {
        Some("Strict") => FieldValidation::Strict,
        Some("Warn") | None => FieldValidation::Warn,
        Some("Ignore") => FieldValidation::Ignore,
        Some(other) => {
            let message = format!(
                "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
            );
            return Err(Problem::BadRequest(message));
        }
    };
    Ok(WriteOptions { effect: Effect::of_dry_run(query.all("dryRun"))?, field_validation })
}

/// Options for the ledger of a grant.
///
/// # Errors
/// 400 for an option that cannot be honoured.
pub(crate) fn read_ledger_options(query: &Query) -> Result<LedgerOptions, Problem> {
    let limit = query.limit()?;
    let after = match query.one("continue")? {
        None => 0,
        Some(text) => {
            text.parse().map_err(|_| Problem::BadRequest("continue key is not valid: not an ordinal".to_owned()))?
        }
    };
    refuse_selectors(query)?;
    Ok(LedgerOptions { after, limit })
}

/// Options for a page of the ledger of all grants.
///
/// # Errors
/// 400 for an option that cannot be honoured.
pub(crate) fn read_ledger_page_options(query: &Query) -> Result<LedgerPageOptions, Problem> {
    let invalid = || Problem::BadRequest("continue key is not valid: not UID:ORDINAL".to_owned());
    let after = query.one("continue")?.map(|text| read_continue(text).ok_or_else(invalid)).transpose()?;
    refuse_selectors(query)?;
    Ok(LedgerPageOptions { after, limit: query.limit()? })
}

fn refuse_selectors(query: &Query) -> Result<(), Problem> {
    for unsupported in ["labelSelector", "fieldSelector", "uid"] {
        if query.one(unsupported)?.is_some() {
            return Err(Problem::BadRequest(format!("{unsupported} is not supported for redemptions")));
        }
    }
    Ok(())
}

/// Options of a watch.
///
/// # Errors
/// 400 for an option that cannot be honoured, and 422 for options that contradict each other.
pub(crate) fn read_watch_options(resource: &'static ResourceType, query: &Query) -> Result<WatchOptions, Problem> {
    if query.one("continue")?.is_some() {
        return Err(Problem::BadRequest("a watch cannot be continued like a list".to_owned()));
    }
    let bookmarks = match query.one("allowWatchBookmarks")?.is_some_and(means_yes) {
        true => Bookmarks::Sent,
        false => Bookmarks::NotSent,
    };
    let (start, end_of_initial_events) = read_start(resource, query)?;
    let (labels, fields) = (query.one("labelSelector")?, query.one("fieldSelector")?);
    Ok(WatchOptions {
        selector: Selector::read(labels, fields, resource.selectable).map_err(Problem::BadRequest)?,
        start,
        end_of_initial_events,
        bookmarks,
        lasts: duration_of_watch(query)?,
    })
}

fn read_start(resource: &'static ResourceType, query: &Query) -> Result<(Start, EndOfInitialEvents), Problem> {
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
        (None, None, Some(revision)) => Ok((Start::After(revision), EndOfInitialEvents::NotSent)),
        (None, None, None) => Ok((Start::All { at_least: None }, EndOfInitialEvents::NotSent)),
        (Some(true), Some("NotOlderThan"), at_least) => Ok((Start::All { at_least }, EndOfInitialEvents::Sent)),
        (Some(false), Some("NotOlderThan"), Some(revision)) => {
            Ok((Start::After(revision), EndOfInitialEvents::NotSent))
        }
        (Some(false), Some("NotOlderThan"), None) => Ok((Start::Now, EndOfInitialEvents::NotSent)),
        (Some(_), Some(_) | None, _) => {
            Err(forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
        }
    }
}

/// The shorter of `timeoutSeconds` and `timeout`. Without them, and for 0, the time is random, so that watches that began
/// together do not end together.
fn duration_of_watch(query: &Query) -> Result<Duration, Problem> {
    let invalid = |name: &str, text: &str| Problem::BadRequest(format!("{name}: Invalid value: {}", text.shown()));
    let seconds = query.one("timeoutSeconds")?.map(|text| text.parse().map_err(|_| invalid("timeoutSeconds", text)));
    let seconds = seconds.transpose()?.map(Duration::from_secs);
    let timeout = query.one("timeout")?.map(|text| {
        let nanoseconds = parse_go_duration(text).ok().and_then(|n| u64::try_from(n).ok());
        nanoseconds.map(Duration::from_nanos).ok_or_else(|| invalid("timeout", text))
    });
    let asked = seconds.into_iter().chain(timeout.transpose()?).filter(|asked| !asked.is_zero()).min();
    let by_chance = || {
        let spread = (LONGEST_WATCH - SHORTEST_WATCH).as_secs();
        SHORTEST_WATCH + Duration::from_secs(uuid::Uuid::new_v4().as_u64_pair().1 % spread)
    };
    Ok(asked.unwrap_or_else(by_chance).min(LONGEST_WATCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::catalog::access_grant::ACCESS_GRANTS;
    use proptest::prelude::*;

    #[test]
    fn an_option_that_is_given_twice_is_refused() {
        let query = Query::read("fieldSelector=metadata.name%3Da&fieldSelector=metadata.name%3Db").unwrap();
        assert!(read_list_options(&query, &[]).is_err());
    }

    #[test]
    fn unknown_stages_and_modes_are_refused() {
        let options = |text: &str| read_write_options(&Query::read(text).unwrap());
        assert_eq!(options("dryRun=All").unwrap().effect, Effect::DryRun);
        assert_eq!(options("").unwrap().effect, Effect::Lasting);
        assert_eq!(options("").unwrap().field_validation, FieldValidation::Warn);
        assert!(options("dryRun=Some").is_err());
        assert!(options("fieldValidation=strict").is_err());
    }

    #[test]
    fn a_watch_begins_where_its_options_say() {
        use EndOfInitialEvents::{NotSent, Sent};
        let start = |text: &str| {
            let options = read_watch_options(&ACCESS_GRANTS, &Query::read(text).unwrap())?;
            Ok::<_, Problem>((options.start, options.end_of_initial_events))
        };
        let table = [
            ("", (Start::All { at_least: None }, NotSent)),
            ("resourceVersion=0", (Start::All { at_least: None }, NotSent)),
            ("resourceVersion=7", (Start::After(Revision(7)), NotSent)),
            ("sendInitialEvents=true&resourceVersionMatch=NotOlderThan", (Start::All { at_least: None }, Sent)),
            (
                "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=7",
                (Start::All { at_least: Some(Revision(7)) }, Sent),
            ),
            ("sendInitialEvents=false&resourceVersionMatch=NotOlderThan", (Start::Now, NotSent)),
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
    fn a_watch_lasts_as_long_as_asked_for_and_never_longer_than_an_hour() {
        let lasts = |text: &str| read_watch_options(&ACCESS_GRANTS, &Query::read(text).unwrap()).map(|o| o.lasts);
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

    proptest! {
        #[test]
        fn no_query_panics(text in ".{0,80}") {
            if let Ok(query) = Query::read(&text) {
                let _ = (read_list_options(&query, &[]), read_write_options(&query));
                let _ = read_watch_options(&ACCESS_GRANTS, &query);
            }
        }
    }
}
