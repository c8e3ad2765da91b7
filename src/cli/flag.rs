//! Values of flags, judged together and in Skupper's words where it has them (protocol.md 5.1).

use std::{fmt::Display, str::FromStr, time::Duration};

use super::CliError;
use crate::grant::{Allowance, ExpirationWindow, format_go_duration, parse_go_duration};

/// All that is wrong with a command's flags, one fault a line.
#[derive(Debug, Default)]
pub(super) struct FlagFaults(Vec<String>);

impl FlagFaults {
    /// The value, or nothing and a fault: what is wrong, then why.
    pub(super) fn judge<T, E: Display>(&mut self, what: &str, judged: Result<T, E>) -> Option<T> {
        judged.map_err(|error| self.0.push(format!("{what} is not valid: {error}"))).ok()
    }

    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, what: &str, text: &str) -> Option<T> {
        self.judge(what, text.parse())
    }

    /// How often a grant can be redeemed.
    pub(super) fn redemptions(&mut self, text: &str) -> Option<u32> {
        let number = text.parse().map_err(|_| format!("must be a whole number from 1 to {}", Allowance::MAX));
        let judged = number.and_then(|allowed| Allowance::new(allowed, 0).map_err(|error| error.to_string()));
        self.judge("number of redemptions", judged).map(Allowance::allowed)
    }

    /// How long a grant can be redeemed.
    pub(super) fn window(&mut self, text: &str) -> Option<ExpirationWindow> {
        self.parse("expiration time", text)
    }

    /// How long a grant for a person can be redeemed: at least a minute, as nobody carries a token faster.
    pub(super) fn window_of_token(&mut self, text: &str) -> Option<ExpirationWindow> {
        self.at_least("expiration time", text, Duration::from_secs(60))?;
        self.window(text)
    }

    pub(super) fn at_least(&mut self, what: &str, text: &str, least: Duration) -> Option<Duration> {
        self.judge(what, duration_of_at_least(text, least))
    }

    /// What traffic over a link costs; `None` for 0, which leaves it to the other side.
    pub(super) fn cost(&mut self, text: &str) -> Option<Option<u32>> {
        let judged = match text.parse::<i64>() {
            Err(_) => Err(format!("strconv.Atoi: parsing {text:?}: invalid syntax")),
            Ok(number) if number < 0 => Err("value is not positive".to_owned()),
            Ok(number) => i32::try_from(number).map_err(|_| format!("must be at most {}", i32::MAX)),
        };
        let cost = self.judge("link cost", judged)?;
        Some(u32::try_from(cost).ok().filter(|cost| *cost > 0))
    }

    /// The faults as one error; to be called when a value is missing, so that there is at least one.
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

    fn faults_of<T>(judge: impl FnOnce(&mut FlagFaults) -> Option<T>) -> String {
        let mut faults = FlagFaults::default();
        assert!(judge(&mut faults).is_none());
        faults.into_error().to_string()
    }

    #[test]
    fn faults_are_worded_as_skupper_words_them() {
        let minute = Duration::from_secs(60);
        let table = [
            (faults_of(|f| f.redemptions("0")), "number of redemptions is not valid: must be at least 1"),
            (
                faults_of(|f| f.redemptions("-1")),
                "number of redemptions is not valid: must be a whole number from 1 to 2147483647",
            ),
            (
                faults_of(|f| f.window_of_token("10s")),
                "expiration time is not valid: duration must not be less than 1m0s; got 10s",
            ),
            (
                faults_of(|f| f.window_of_token("1d")),
                "expiration time is not valid: time: unknown unit \"d\" in duration \"1d\"",
            ),
            (
                faults_of(|f| f.at_least("timeout", "-5m", minute)),
                "timeout is not valid: duration must not be less than 1m0s; got -5m",
            ),
            (
                faults_of(|f| f.cost("Not-valid")),
                "link cost is not valid: strconv.Atoi: parsing \"Not-valid\": invalid syntax",
            ),
            (faults_of(|f| f.cost("-1")), "link cost is not valid: value is not positive"),
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
