//! The pauses between attempts that fail.

use std::time::Duration;

/// Pauses that double with every failure, up to a longest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    /// After the first failure.
    pub(super) first: Duration,
    /// No pause is longer, except for what [`spread`] adds.
    pub(super) longest: Duration,
}

impl Backoff {
    /// The pause after this many failures in a row, at least one.
    pub(super) fn after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        self.first.checked_mul(factor).map_or(self.longest, |pause| pause.min(self.longest))
    }
}

/// The pause and up to a tenth more, at random, so that attempts that failed together are not repeated together.
pub(super) fn spread(pause: Duration) -> Duration {
    let mut random = [0_u8; 1];
    // Without random bytes the pause stays as it is.
    let _ = getrandom::fill(&mut random);
    pause + pause * u32::from(random[0]) / 2550
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_5_seconds_to_5_minutes() {
        let backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(300) };

        let pauses: Vec<u64> = (1..=9).map(|failures| backoff.after(failures).as_secs()).collect();

        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(backoff.after(u32::MAX).as_secs(), 300);
    }

    #[test]
    fn a_pause_is_spread_by_no_more_than_a_tenth() {
        let pause = Duration::from_secs(10);
        for _ in 0..100 {
            assert!((pause..=pause.mul_f32(1.11)).contains(&spread(pause)));
        }
    }
}
