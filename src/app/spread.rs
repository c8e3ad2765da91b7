//! Pauses that differ at random.

use std::time::Duration;

/// The pause and up to a tenth more, at random, so that attempts that failed together are not repeated together.
pub(super) fn spread(pause: Duration) -> Duration {
    let mut random = [0_u8; 1];
    // Without random bytes the pause is used as it is.
    let _ = getrandom::fill(&mut random);
    pause + pause * u32::from(random[0]) / 2550
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_spread_by_no_more_than_a_tenth() {
        let pause = Duration::from_secs(10);
        for _ in 0..100 {
            assert!((pause..=pause.mul_f32(1.11)).contains(&spread(pause)));
        }
    }
}
