//! Ages as kubectl's tables show them: less exact the longer they are.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// One unit or two: `119s`, `2m30s`, `12m`, `3h20m`, `25h`, `3d4h`, `12d`, `2y10d`, `9y`. The smaller
/// unit is left out when it is zero.
pub(crate) fn age(passed: Duration) -> String {
    let seconds = passed.as_secs();
    let one = |unit: u64, sign: &str| format!("{}{sign}", seconds / unit);
    let two = |unit: u64, sign: &str, smaller: u64, smaller_sign: &str| match seconds % unit / smaller {
        0 => one(unit, sign),
        rest => format!("{}{rest}{smaller_sign}", one(unit, sign)),
    };
    match seconds {
        0..120 => one(1, "s"),
        120..600 => two(MINUTE, "m", 1, "s"),
        _ if seconds < 3 * HOUR => one(MINUTE, "m"),
        _ if seconds < 8 * HOUR => two(HOUR, "h", MINUTE, "m"),
        _ if seconds < 2 * DAY => one(HOUR, "h"),
        _ if seconds < 8 * DAY => two(DAY, "d", HOUR, "h"),
        _ if seconds < 2 * YEAR => one(DAY, "d"),
        _ if seconds < 8 * YEAR => two(YEAR, "y", DAY, "d"),
        _ => one(YEAR, "y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ages_are_written_as_in_kubernetes() {
        let table = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (150, "2m30s"),
            (599, "9m59s"),
            (600, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (3 * HOUR + 20 * MINUTE + 59, "3h20m"),
            (8 * HOUR - 1, "7h59m"),
            (8 * HOUR, "8h"),
            (25 * HOUR, "25h"),
            (2 * DAY - 1, "47h"),
            (2 * DAY, "2d"),
            (3 * DAY + 4 * HOUR, "3d4h"),
            (8 * DAY - 1, "7d23h"),
            (8 * DAY, "8d"),
            (12 * DAY, "12d"),
            (2 * YEAR - 1, "729d"),
            (2 * YEAR, "2y"),
            (2 * YEAR + 10 * DAY, "2y10d"),
            (8 * YEAR - 1, "7y364d"),
            (8 * YEAR + 10 * DAY, "8y"),
        ];
        for (seconds, written) in table {
            assert_eq!(age(Duration::from_secs(seconds)), written, "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn no_age_is_longer_than_a_cell(seconds in any::<u64>()) {
            prop_assert!(age(Duration::from_secs(seconds)).len() <= 13);
        }
    }
}
