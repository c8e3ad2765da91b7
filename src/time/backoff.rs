//! How long to wait between attempts that fail.

use std::time::Duration;

/// Pauses that double with every failure, up to a longest.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after this many failures in a row; 0 counts as 1.
    pub fn after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        self.first.checked_mul(factor).map_or(self.longest, |pause| pause.min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(300) };

        let pauses: Vec<u64> = (1..=9).map(|failures| backoff.after(failures).as_secs()).collect();

        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(backoff.after(u32::MAX).as_secs(), 300);
    }

    #[test]
    fn a_pause_that_begins_below_a_second_ends_at_the_longest() {
        let backoff = Backoff { first: Duration::from_millis(10), longest: Duration::from_secs(1) };

        let pauses: Vec<u128> = (0..=9).map(|failures| backoff.after(failures).as_millis()).collect();

        assert_eq!(pauses, [10, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }
}
