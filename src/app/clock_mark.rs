//! The latest time that this server has seen, kept in a file, so that a clock that is set back revives no grant.
//!
//! A file and not a row of the database: it is written while the database cannot be, and an operator resets it without a
//! server.

use std::{
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::chain::chain;
use crate::{
    file::{self, Access, Existing, FileError},
    time::{Clock, Timestamp},
};

/// How far the clock may differ from the time that has passed. It is corrected by less than this all the time.
const TOLERANCE: Duration = Duration::from_secs(10);
/// How long the clock must run steadily after it jumped before its time is kept: a jump by mistake is usually corrected
/// sooner.
const SETTLING: Duration = Duration::from_secs(10 * 60);

/// The clock was set back: what has expired would be valid again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the clock shows {now}, and this server has seen {latest}: correct the clock, or run 'grantd clock accept' if it is \
     right now"
)]
pub struct ClockBehind {
    /// What the clock shows.
    pub now: Timestamp,
    /// The latest time it has shown.
    pub latest: Timestamp,
}

impl ClockBehind {
    /// The time for decisions when the clock shows `now` and the latest time seen is not before that.
    ///
    /// # Errors
    /// [`ClockBehind`] when it is much later.
    pub fn check(now: Timestamp, latest: Timestamp) -> Result<Timestamp, Self> {
        if latest.since(now) > TOLERANCE { Err(Self { now, latest }) } else { Ok(latest.max(now)) }
    }
}

/// Why the mark cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClockMarkError {
    /// The file cannot be read.
    #[error("the latest time that the server has seen cannot be read")]
    File(#[source] FileError),
    /// The file holds something else.
    #[error("{} does not hold a time: run 'grantd clock accept' when the clock is right", .0.display())]
    Malformed(PathBuf),
}

/// The latest time seen, and whether the clock runs steadily.
#[derive(Debug)]
pub(super) struct ClockMark(Mutex<State>);

#[derive(Debug)]
struct State {
    latest: Timestamp,
    /// What the clock showed last, and when that was.
    last: (Timestamp, Instant),
    /// The start, or the last jump.
    steady_since: Instant,
    has_jumped: bool,
    kept: Option<Kept>,
}

/// The file, and what this server last wrote to it or read from it.
#[derive(Debug)]
struct Kept {
    file: PathBuf,
    mark: Option<Timestamp>,
}

/// Reads the mark of a file; `None` when there is none.
///
/// # Errors
/// [`ClockMarkError`].
pub fn read_clock_mark(path: &Path) -> Result<Option<Timestamp>, ClockMarkError> {
    match file::read(path) {
        Ok(text) => {
            let text = std::str::from_utf8(&text).unwrap_or_default();
            let mark = Timestamp::from_str(text.trim_end());
            mark.map(Some).map_err(|_| ClockMarkError::Malformed(path.to_owned()))
        }
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClockMarkError::File(error)),
    }
}

/// What the file holds for this mark.
pub fn clock_mark_text(mark: Timestamp) -> String {
    format!("{mark}\n")
}

impl ClockMark {
    /// A mark that is not kept.
    pub(super) fn new(now: Timestamp) -> Self {
        let at = Instant::now();
        Self(Mutex::new(State { latest: now, last: (now, at), steady_since: at, has_jumped: false, kept: None }))
    }

    /// The mark of this file, which is kept there from now on.
    pub(super) fn kept_in(file: PathBuf, now: Timestamp) -> Result<Self, ClockMarkError> {
        let mark = read_clock_mark(&file)?;
        let mut new = Self::new(now);
        let state = new.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.latest = mark.map_or(now, |mark| mark.max(now));
        state.kept = Some(Kept { file, mark });
        Ok(new)
    }

    /// The time for decisions: what the clock shows, or the latest time seen when that is a little later.
    ///
    /// # Errors
    /// [`ClockBehind`] when it is much later.
    pub(super) fn time(&self, clock: &Clock) -> Result<Timestamp, ClockBehind> {
        let mut state = self.state();
        let now = state.observe(clock);
        state.time(now)
    }

    /// Whether the clock has run steadily for so long, in time that really passed.
    pub(super) fn is_steady(&self, clock: &Clock, long: Duration) -> bool {
        let mut state = self.state();
        let now = state.observe(clock);
        state.steady_since.elapsed() >= long && state.time(now).is_ok()
    }

    /// Writes the mark if it has moved and the clock is trusted, and takes over one that an operator has written. It blocks:
    /// to be called where that is allowed.
    pub(super) fn keep(&self, clock: &Clock) {
        self.accept();
        let Some((file, latest)) = self.to_be_kept(clock) else { return };
        // Without the lock: a disk that stalls must not hold up redemptions.
        let written = file::write(&file, clock_mark_text(latest).as_bytes(), Access::Private, Existing::Replace);
        match (written, &mut self.state().kept) {
            (Ok(()), Some(kept)) => kept.mark = Some(latest),
            (Ok(()), None) => {}
            (Err(error), _) => warn!(error = %chain(&error), "the latest time seen could not be kept"),
        }
    }

    fn to_be_kept(&self, clock: &Clock) -> Option<(PathBuf, Timestamp)> {
        let mut state = self.state();
        state.observe(clock);
        let settled = !state.has_jumped || state.steady_since.elapsed() >= SETTLING;
        let kept = state.kept.as_ref()?;
        let moved = kept.mark.is_none_or(|mark| mark < state.latest);
        (settled && moved).then(|| (kept.file.clone(), state.latest))
    }

    /// Takes over a mark that an operator has written.
    pub(super) fn accept(&self) {
        let Some(file) = self.state().kept.as_ref().map(|kept| kept.file.clone()) else { return };
        // One that cannot be read now is read the next time.
        let Ok(Some(found)) = read_clock_mark(&file) else { return };
        self.state().accept(found);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that runs with the lock held can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Reads the clock, and compares it with the time that has really passed. Both are read with the lock held: a thread
    /// that is held up between them would take that for a jump.
    fn observe(&mut self, clock: &Clock) -> Timestamp {
        let (now, at) = (clock.now(), Instant::now());
        let (before, before_at) = self.last;
        let expected = before.saturating_add(at.duration_since(before_at));
        let off = now.since(expected).max(expected.since(now));
        if off > TOLERANCE {
            self.steady_since = at;
            self.has_jumped = true;
            error!(clock.expected = %expected, clock.shown = %now, "the clock has jumped");
        }
        self.last = (now, at);
        self.latest = self.latest.max(now);
        now
    }

    fn time(&self, now: Timestamp) -> Result<Timestamp, ClockBehind> {
        ClockBehind::check(now, self.latest)
    }

    /// A mark before the one that was written can only come from an operator.
    fn accept(&mut self, found: Timestamp) {
        let Some(kept) = &mut self.kept else { return };
        if kept.mark.is_some_and(|mark| found < mark) {
            info!(clock.mark = %found, "an operator has accepted the clock");
            kept.mark = Some(found);
            self.latest = found.max(self.last.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("grantd-clock-{}", uuid::Uuid::new_v4())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000 + seconds)
    }

    fn clock(seconds: i64) -> Clock {
        Clock::fixed(at(seconds))
    }

    async fn pass(duration: Duration) {
        tokio::time::advance(duration).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_is_refused_and_a_small_correction_is_not() {
        let mark = ClockMark::new(at(0));
        pass(Duration::from_secs(100)).await;
        assert_eq!(mark.time(&clock(100)), Ok(at(100)));
        assert_eq!(mark.time(&clock(95)), Ok(at(100)), "time went back");
        assert_eq!(mark.time(&clock(89)), Err(ClockBehind { now: at(89), latest: at(100) }));
        assert_eq!(mark.time(&clock(101)), Ok(at(101)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_does_not_forget_the_latest_time() {
        let file = Scratch::new();
        ClockMark::kept_in(file.0.clone(), at(0)).unwrap().keep(&clock(0));

        let mark = ClockMark::kept_in(file.0.clone(), at(-86_400)).unwrap();

        assert!(mark.time(&clock(-86_400)).is_err());
        mark.keep(&clock(-86_400));
        assert_eq!(read_clock_mark(&file.0).unwrap(), Some(at(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_operator_can_accept_an_earlier_time() {
        let file = Scratch::new();
        ClockMark::kept_in(file.0.clone(), at(86_400)).unwrap().keep(&clock(86_400));
        let mark = ClockMark::kept_in(file.0.clone(), at(0)).unwrap();
        assert!(mark.time(&clock(0)).is_err());

        std::fs::write(&file.0, clock_mark_text(at(0))).unwrap();
        mark.accept();

        assert_eq!(mark.time(&clock(0)), Ok(at(0)));
        assert!(mark.time(&clock(-100)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_forward_is_not_kept_until_the_clock_has_settled() {
        let file = Scratch::new();
        let mark = ClockMark::kept_in(file.0.clone(), at(0)).unwrap();
        mark.keep(&clock(0));

        mark.keep(&clock(86_400));
        assert_eq!(read_clock_mark(&file.0).unwrap(), Some(at(0)), "a jump was kept at once");
        assert!(mark.time(&clock(0)).is_err(), "this server has seen a later time");

        pass(SETTLING).await;
        mark.keep(&clock(600));
        pass(SETTLING).await;
        mark.keep(&clock(1200));
        assert_eq!(read_clock_mark(&file.0).unwrap(), Some(at(86_400)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_is_steady_when_real_time_has_passed_since_its_last_jump() {
        let mark = ClockMark::new(at(0));
        assert!(mark.is_steady(&clock(0), Duration::ZERO));
        assert!(!mark.is_steady(&clock(0), HOUR));
        pass(HOUR).await;
        assert!(mark.is_steady(&clock(3600), HOUR));
        assert!(!mark.is_steady(&clock(90_000), HOUR), "after a jump");
        pass(HOUR).await;
        assert!(mark.is_steady(&clock(93_600), HOUR));
        assert!(!mark.is_steady(&clock(0), Duration::ZERO), "while it is behind");
    }

    #[test]
    fn a_file_that_holds_no_time_is_reported() {
        let file = Scratch::new();
        assert_eq!(read_clock_mark(&file.0).unwrap(), None);
        std::fs::write(&file.0, "soon").unwrap();
        assert!(matches!(read_clock_mark(&file.0), Err(ClockMarkError::Malformed(_))));
    }
}
