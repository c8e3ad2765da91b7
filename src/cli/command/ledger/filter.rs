//! Which rows of the ledger are shown.

use std::net::IpAddr;

use super::row::Row;
use crate::{
    cli::{args::LedgerFilterArgs, error::CliError, flag::FlagFaults},
    grant::parse_go_duration,
    time::Timestamp,
};

/// A row matches when it matches every part that is given.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// A name or a uid.
    grant: Option<String>,
    subject: Option<String>,
    peer: Option<IpAddr>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Filter {
    /// The filter that these arguments describe; times that are durations count back from `now`.
    pub(super) fn of(args: &LedgerFilterArgs, now: Timestamp) -> Result<Self, CliError> {
        let mut faults = FlagFaults::default();
        let peer = args.peer.as_ref().map(|text| faults.parse("address (--peer)", text));
        let since = args.since.as_ref().map(|text| faults.collect("time (--since)", instant(text, now)));
        let until = args.until.as_ref().map(|text| faults.collect("time (--until)", instant(text, now)));
        // `Some(None)` means that a flag is given, but not valid.
        let (None | Some(Some(_)), None | Some(Some(_)), None | Some(Some(_))) = (&peer, &since, &until) else {
            return Err(faults.into_error());
        };
        let (peer, since, until) = (peer.flatten(), since.flatten(), until.flatten());
        Ok(Self { grant: args.grant.clone(), subject: args.subject.clone(), peer, since, until })
    }

    /// Whether this row is shown. One without a readable time is shown only when no time is asked for.
    pub(super) fn matches(&self, row: &Row) -> bool {
        let at: Option<Timestamp> = row.redeemed_at.parse().ok();
        let peer: Option<IpAddr> = row.peer.as_ref().and_then(|peer| peer.parse().ok());
        self.grant.as_ref().is_none_or(|grant| *grant == row.grant || *grant == row.grant_uid)
            && self.subject.as_ref().is_none_or(|subject| *subject == row.subject)
            && self.peer.is_none_or(|wanted| peer == Some(wanted))
            && self.since.is_none_or(|since| at.is_some_and(|at| at >= since))
            && self.until.is_none_or(|until| at.is_some_and(|at| at < until))
    }
}

fn instant(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    let ago = parse_go_duration(text).ok().and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
    let ago = ago.ok_or_else(|| {
        format!("must be a time such as 2026-01-02T03:04:05Z, or how long ago, as 24h or 30m; got {text:?}")
    })?;
    Ok(now.saturating_sub(std::time::Duration::from_nanos(ago)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn row(at: i64) -> Row {
        Row {
            grant: "offer".to_owned(),
            grant_uid: "87426fa9-5623-49af-a612-47d33b7a4200".to_owned(),
            subject: "east".to_owned(),
            peer: Some("10.1.1.1".to_owned()),
            redeemed_at: Timestamp::from_unix_seconds(at).to_string(),
            ..Row::default()
        }
    }

    #[test]
    fn a_row_has_to_match_every_part() {
        let matches = |filter: Filter| filter.matches(&row(NOW));
        let text = |text: &str| Some(text.to_owned());
        let at = |seconds| Some(Timestamp::from_unix_seconds(seconds));
        assert!(matches(Filter::default()));
        assert!(matches(Filter { grant: text("offer"), subject: text("east"), ..Filter::default() }));
        assert!(matches(Filter { grant: text("87426fa9-5623-49af-a612-47d33b7a4200"), ..Filter::default() }));
        assert!(!matches(Filter { grant: text("offer"), subject: text("west"), ..Filter::default() }));
        assert!(!matches(Filter { peer: "10.1.1.2".parse().ok(), ..Filter::default() }));
        assert!(matches(Filter { since: at(NOW), until: at(NOW + 1), ..Filter::default() }));
        assert!(!matches(Filter { until: at(NOW), ..Filter::default() }));
        assert!(!matches(Filter { since: at(NOW + 1), ..Filter::default() }));
    }

    #[test]
    fn a_time_is_an_instant_or_how_long_ago() {
        let now = Timestamp::from_unix_seconds(NOW);
        assert_eq!(instant("2023-11-14T22:13:20Z", now), Ok(now));
        assert_eq!(instant("2h", now), Ok(Timestamp::from_unix_seconds(NOW - 7200)));
        for text in ["yesterday", "-2h", "", "2023-11-14"] {
            assert!(instant(text, now).unwrap_err().contains("24h"), "{text}");
        }
    }
}
