//! Values of flags, parsed together; a fault names its value as Skupper does (docs/protocol.md section 5.1), and its
//! flag.

use std::{fmt::Display, str::FromStr, time::Duration};

use super::error::CliError;
use crate::grant::{Allowance, ExpirationWindow, Namespace, format_go_duration, parse_go_duration};

const WINDOW: &str = "expiration time (--expiration-window)";

/// All faults of a command's flags, one on each line.
#[derive(Debug, Default)]
pub(super) struct FlagFaults(Vec<String>);

impl FlagFaults {
    /// Parses the value; returns `None` and adds a fault when it is not valid.
    pub(super) fn collect<T, E: Display>(&mut self, what: &str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.0.push(format!("{what} is not valid: {error}"))).ok()
    }

    /// The namespace that the command works in.
    pub(super) fn namespace(&mut self, text: &str) -> Option<Namespace> {
        let parsed = text.parse().map_err(|error| format!("{error}; got {text:?}"));
        self.collect("namespace (--namespace)", parsed)
    }

    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, what: &str, text: &str) -> Option<T> {
        self.collect(what, text.parse())
    }

    /// Parses how many times a grant can be redeemed.
    pub(super) fn redemptions(&mut self, text: &str) -> Option<u32> {
        let allowed = text.parse().ok().and_then(|allowed| Allowance::new(allowed, 0).ok());
        let parsed = allowed.ok_or_else(|| format!("must be a whole number from 1 to {}; got {text}", Allowance::MAX));
        self.collect("number of redemptions (--redemptions-allowed)", parsed).map(Allowance::allowed)
    }

    /// Parses how long a grant can be redeemed.
    pub(super) fn window(&mut self, text: &str) -> Option<ExpirationWindow> {
        self.parse(WINDOW, text)
    }

    /// Parses how long a token can be redeemed: at least a minute, as a person must copy the file to the other site.
    pub(super) fn window_of_token(&mut self, text: &str) -> Option<ExpirationWindow> {
        self.at_least(WINDOW, text, Duration::from_secs(60))?;
        self.window(text)
    }

    /// Parses how long to wait.
    pub(super) fn timeout(&mut self, text: &str, least: Duration) -> Option<Duration> {
        self.at_least("timeout (--timeout)", text, least)
    }

    /// Parses how long a certificate is valid.
    pub(super) fn validity(&mut self, text: &str) -> Option<Duration> {
        const WHAT: &str = "validity (--valid-for)";
        let (hour, longest) = (Duration::from_secs(3600), Duration::from_secs(87_600 * 3600));
        let validity = self.at_least(WHAT, text, hour)?;
        let parsed =
            if validity <= longest { Ok(validity) } else { Err(format!("must be at most 87600h; got {text}")) };
        self.collect(WHAT, parsed)
    }

    fn at_least(&mut self, what: &str, text: &str, least: Duration) -> Option<Duration> {
        self.collect(what, duration_of_at_least(text, least))
    }

    /// Parses the cost of traffic over a link; the value is `None` for 0, with which the connecting site decides.
    pub(super) fn cost(&mut self, text: &str) -> Option<Option<u32>> {
        let parsed = match text.parse::<i64>() {
            Ok(number) if (0..=i64::from(i32::MAX)).contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(format!("must be a whole number from 0 to {}; got {text}", i32::MAX)),
        };
        let cost = self.collect("link cost (--cost)", parsed)?;
        Some(u32::try_from(cost).ok().filter(|cost| *cost > 0))
    }

    /// The faults as one error. Called when a value could not be parsed, so there is at least one fault.
    pub(super) fn into_error(self) -> CliError {
        CliError::usage(self.0.join("\n"))
    }
}

fn duration_of_at_least(text: &str, least: Duration) -> Result<Duration, String> {
    let nanoseconds = parse_go_duration(text).map_err(|error| format!("time: {error}"))?;
    let duration = u64::try_from(nanoseconds).map(Duration::from_nanos).unwrap_or_default();
    if duration >= least {
        Ok(duration)
    } else {
        Err(format!("duration must not be less than {}; got {text}", format_go_duration(least)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of<T>(parse: impl FnOnce(&mut FlagFaults) -> Option<T>) -> String {
        let mut faults = FlagFaults::default();
        assert!(parse(&mut faults).is_none());
        faults.into_error().to_string()
    }

    #[test]
    fn faults_say_in_skupper_s_words_what_is_wrong_and_name_the_flag() {
        let minute = Duration::from_secs(60);
        let table = [
            (
                faults_of(|f| f.redemptions("0")),
                "number of redemptions (--redemptions-allowed) is not valid: must be a whole number from 1 to 2147483647; got 0",
            ),
            (
                faults_of(|f| f.redemptions("-1")),
                "number of redemptions (--redemptions-allowed) is not valid: must be a whole number from 1 to 2147483647; got -1",
            ),
            (
                faults_of(|f| f.window_of_token("10s")),
                "expiration time (--expiration-window) is not valid: duration must not be less than 1m0s; got 10s",
            ),
            (
                faults_of(|f| f.window_of_token("1d")),
                "expiration time (--expiration-window) is not valid: time: unknown unit \"d\" in duration \"1d\"",
            ),
            (
                faults_of(|f| f.timeout("-5m", minute)),
                "timeout (--timeout) is not valid: duration must not be less than 1m0s; got -5m",
            ),
            (
                faults_of(|f| f.cost("Not-valid")),
                "link cost (--cost) is not valid: must be a whole number from 0 to 2147483647; got Not-valid",
            ),
            (
                faults_of(|f| f.cost("-1")),
                "link cost (--cost) is not valid: must be a whole number from 0 to 2147483647; got -1",
            ),
        ];
        for (found, expected) in table {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn all_faults_of_a_command_come_on_lines_of_their_own() {
        let text = faults_of(|f| f.redemptions("0").and(f.cost("-1")));
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn a_cost_of_0_is_left_out() {
        let mut faults = FlagFaults::default();
        assert_eq!((faults.cost("0"), faults.cost("5"), faults.cost("x")), (Some(None), Some(Some(5)), None));
    }
}
