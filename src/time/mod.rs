//! Level 0: instants, the one reader of the wall clock, and pauses between attempts.
//!
//! Rules take `now: Timestamp` as an argument; only [`Clock`] asks the operating system what time it is.

mod backoff;

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

pub use self::backoff::Backoff;

/// 9999-12-31T23:59:59Z, the last second RFC 3339 and X.509 can write.
const LAST_SECOND: i64 = 253_402_300_799;

/// An instant in whole UTC seconds, from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
///
/// Ordered as time is; written and read as RFC 3339 in UTC (`2026-01-02T03:04:05Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `seconds` after the Unix epoch; values outside the type's range become its nearest end.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.clamp(0, LAST_SECOND))
    }

    /// Seconds since the Unix epoch.
    pub fn unix_seconds(self) -> i64 {
        self.0
    }

    /// This instant plus `duration`, a started second counted as a whole one; stops at the end of the range.
    pub fn saturating_add(self, duration: Duration) -> Self {
        let whole = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
        Self::from_unix_seconds(self.0.saturating_add_unsigned(whole))
    }

    /// This instant minus `duration` (whole seconds); stops at the Unix epoch.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self::from_unix_seconds(self.0.saturating_sub_unsigned(duration.as_secs()))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// Reads the date of an HTTP header in its preferred form, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
    pub fn from_http_date(text: &str) -> Option<Self> {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (_, date) = text.split_once(", ")?;
        let mut words = date.strip_suffix(" GMT")?.split(' ');
        let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let month = MONTHS.iter().position(|name| *name == month)? + 1;
        format!("{year}-{month:02}-{day}T{time}Z").parse().ok().filter(|_| words.next().is_none())
    }

    /// The same instant for libraries that speak the `time` crate.
    pub fn to_offset_date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(instant: OffsetDateTime) -> Self {
        Self::from_unix_seconds(instant.unix_timestamp())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.to_offset_date_time();
        let (year, month, day) = t.to_calendar_date();
        let (hour, minute, second) = t.to_hms();
        write!(f, "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
    }
}

/// The text is not an RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time such as 2026-01-02T03:04:05Z")]
pub struct ParseTimestampError;

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    /// Reads any RFC 3339 offset; fractions of a second are cut off.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map(|t| Self::from(t.to_offset(UtcOffset::UTC)))
            .map_err(|_| ParseTimestampError)
    }
}

/// Where the current time comes from.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The wall clock of this machine.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows `now` until it is [`set`](Self::set); clones share it.
    pub fn fixed(now: Timestamp) -> Self {
        Self(Source::Fixed(Arc::new(AtomicI64::new(now.0))))
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
            Source::System => Timestamp::from(OffsetDateTime::now_utc()),
            Source::Fixed(seconds) => Timestamp::from_unix_seconds(seconds.load(Ordering::SeqCst)),
        }
    }

    /// Moves a fixed clock to `now`; the system clock is not ours to move and ignores this.
    pub fn set(&self, now: Timestamp) {
        match &self.0 {
            Source::System => {}
            Source::Fixed(seconds) => seconds.store(now.0, Ordering::SeqCst),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_date_of_an_http_header_is_read() {
        assert_eq!(Timestamp::from_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Timestamp(784_111_777)));
        for text in ["", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37", "Sun, 36 Nov 1994 08:49:37 GMT"]
        {
            assert_eq!(Timestamp::from_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn is_written_as_kubernetes_writes_it() {
        assert_eq!(Timestamp::from_unix_seconds(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn reads_offsets_and_cuts_fractions() {
        let read: Timestamp = "2023-11-15T00:13:20.9+02:00".parse().unwrap();
        assert_eq!(read.unix_seconds(), 1_700_000_000);
    }

    #[test]
    fn adding_counts_a_started_second() {
        let start = Timestamp::from_unix_seconds(10);
        assert_eq!(start.saturating_add(Duration::from_millis(1)).unix_seconds(), 11);
        assert_eq!(start.saturating_add(Duration::MAX).to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn a_fixed_clock_is_shared_by_its_clones() {
        let clock = Clock::fixed(Timestamp::from_unix_seconds(5));
        clock.clone().set(Timestamp::from_unix_seconds(9));
        assert_eq!(clock.now().unix_seconds(), 9);
    }

    proptest! {
        #[test]
        fn every_instant_survives_a_round_trip(seconds in 0..=LAST_SECOND) {
            let instant = Timestamp::from_unix_seconds(seconds);
            prop_assert_eq!(instant.to_string().parse::<Timestamp>(), Ok(instant));
        }

        #[test]
        fn no_text_panics(text in ".{0,64}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
