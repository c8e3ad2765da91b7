//! How long a grant can be redeemed: Go's duration grammar, as Skupper's users write it (docs/protocol.md section 4.1).

use std::{fmt, str::FromStr, time::Duration};

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Why a text is not a Go duration. The texts are Go's own, as they land in users' messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a sequence of numbers with units, or out of range (about 292 years).
    #[error("invalid duration {0:?}")]
    Invalid(String),
    /// A number without a unit.
    #[error("missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit other than ns, us, µs, ms, s, m, h.
    #[error("unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The text in the place of the unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// Reads a duration as Go's `time.ParseDuration` does and returns nanoseconds.
///
/// An optional sign, then numbers with units (`1h30m`, `1.5h`, `.5m`); `0` alone needs no unit.
///
/// # Errors
/// [`DurationError`], with Go's texts.
pub fn parse_go_duration(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        Some(_) | None => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanoseconds, after) = parse_term(rest, text)?;
        rest = after;
        // One more than i64::MAX is allowed while the sign is not applied: -2562047h47m16.854775808s is the least duration.
        total = total.checked_add(nanoseconds).filter(|t| *t <= 1 << 63).ok_or_else(invalid)?;
    }
    let signed = if negative { -i128::from(total) } else { i128::from(total) };
    i64::try_from(signed).map_err(|_| invalid())
}

/// Reads one number with its unit off the front of `rest`.
fn parse_term<'a>(rest: &'a str, text: &str) -> Result<(u64, &'a str), DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (whole, after_whole) = split_digits(rest);
    let (fraction, after_number) = match after_whole.strip_prefix('.') {
        Some(after_dot) => split_digits(after_dot),
        None => ("", after_whole),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let unit_length = after_number.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after_number.len());
    let (unit, after_unit) = after_number.split_at(unit_length);
    if unit.is_empty() {
        return Err(DurationError::MissingUnit(text.to_owned()));
    }
    let scale = unit_nanoseconds(unit)
        .ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
    let nanoseconds = whole.checked_mul(scale).ok_or_else(invalid)?;
    let nanoseconds = nanoseconds.checked_add(fraction_of(fraction, scale)).ok_or_else(invalid)?;
    Ok((nanoseconds, after_unit))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_nanoseconds(unit: &str) -> Option<u64> {
    match unit {
        "ns" => Some(NANOSECOND),
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(MICROSECOND),
        "ms" => Some(MILLISECOND),
        "s" => Some(SECOND),
        "m" => Some(MINUTE),
        "h" => Some(HOUR),
        _ => None,
    }
}

/// `0.DIGITS` of `scale` in nanoseconds, with Go's rounding: in floating point, cut to a whole nanosecond.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go rounds here; the result is not negative and less than `scale`, or equal to it"
)]
fn fraction_of(digits: &str, scale: u64) -> u64 {
    let mut value: u64 = 0;
    let mut divisor: f64 = 1.0;
    for digit in digits.bytes() {
        let next = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
        // Digits that Go's int64 cannot hold are far below a nanosecond of any unit.
        let Some(next) = next.filter(|v| *v <= 1 << 63) else { break };
        value = next;
        divisor *= 10.0;
    }
    (value as f64 * (scale as f64 / divisor)) as u64
}

/// Writes whole seconds as Go's `Duration.String` does: `15m0s`, `1h30m0s`, `24h0m0s`.
pub fn format_go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        (_, _) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// Why a duration is no expiration window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The text is not a duration.
    #[error(transparent)]
    NotADuration(DurationError),
    /// Zero or less: such a grant would be expired before anyone could redeem it.
    #[error("must be longer than 0s")]
    NotPositive,
}

/// How long after its creation a grant can be redeemed: more than zero. The text that the operator wrote is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpirationWindow {
    text: String,
    duration: Duration,
}

impl ExpirationWindow {
    /// As long as the documents and the CRD of Skupper say: 15 minutes.
    pub const DEFAULT: Duration = Duration::from_secs(15 * 60);

    /// The length of the window.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl Default for ExpirationWindow {
    fn default() -> Self {
        Self { text: format_go_duration(Self::DEFAULT), duration: Self::DEFAULT }
    }
}

impl fmt::Display for ExpirationWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for ExpirationWindow {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let nanoseconds = parse_go_duration(text).map_err(WindowError::NotADuration)?;
        match u64::try_from(nanoseconds) {
            Ok(0) | Err(_) => Err(WindowError::NotPositive),
            Ok(positive) => Ok(Self { text: text.to_owned(), duration: Duration::from_nanos(positive) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_reads() {
        let table: &[(&str, i64)] = &[
            ("0", 0),
            ("-0", 0),
            ("5s", 5_000_000_000),
            ("1478s", 1_478_000_000_000),
            ("-5s", -5_000_000_000),
            ("+5s", 5_000_000_000),
            ("5.s", 5_000_000_000),
            (".5s", 500_000_000),
            ("1.004s", 1_004_000_000),
            ("100.00100s", 100_001_000_000),
            ("10ns", 10),
            ("12us", 12_000),
            ("12\u{b5}s", 12_000),
            ("12\u{3bc}s", 12_000),
            ("13ms", 13_000_000),
            ("15m0s", 900_000_000_000),
            ("3h30m", 12_600_000_000_000),
            ("10.5s4m", 250_500_000_000),
            ("-2m3.4s", -123_400_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("-2562047h47m16.854775808s", i64::MIN),
        ];
        for (text, nanoseconds) in table {
            assert_eq!(parse_go_duration(text), Ok(*nanoseconds), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses_in_its_words() {
        let table = [
            ("", "invalid duration \"\""),
            ("-", "invalid duration \"-\""),
            (".", "invalid duration \".\""),
            (".s", "invalid duration \".s\""),
            ("iamnotaduration", "invalid duration \"iamnotaduration\""),
            ("3", "missing unit in duration \"3\""),
            ("1 day", "unknown unit \" day\" in duration \"1 day\""),
            ("1d", "unknown unit \"d\" in duration \"1d\""),
            ("9999999h", "invalid duration \"9999999h\""),
            ("9223372036854775808ns", "invalid duration \"9223372036854775808ns\""),
            ("99999999999999999999s", "invalid duration \"99999999999999999999s\""),
        ];
        for (text, message) in table {
            assert_eq!(parse_go_duration(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_window_is_longer_than_nothing_and_keeps_its_words() {
        assert_eq!("0".parse::<ExpirationWindow>(), Err(WindowError::NotPositive));
        assert_eq!("-1h".parse::<ExpirationWindow>(), Err(WindowError::NotPositive));
        let window: ExpirationWindow = "1.5h".parse().unwrap();
        assert_eq!((window.to_string(), window.duration().as_secs()), ("1.5h".to_owned(), 5400));
        assert_eq!(ExpirationWindow::default().to_string(), "15m0s");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+.0-9nuµmsh d]{0,40}|.{0,20}") {
            let _ = parse_go_duration(&text);
        }

        #[test]
        fn whole_seconds_survive_a_round_trip(seconds in 0_u64..9_223_372_036) {
            let written = format_go_duration(Duration::from_secs(seconds));
            prop_assert_eq!(parse_go_duration(&written), Ok(i64::try_from(seconds).unwrap() * 1_000_000_000));
        }
    }
}
