//! Parsing of settings.

use std::{fmt::Display, net::SocketAddr, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use crate::{
    grant::{format_go_duration, parse_go_duration},
    net::{Network, NetworkError},
};

/// The error about a text that breaks the rule of its setting; the message states the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ValueError(String);

impl ValueError {
    fn rule(rule: impl Into<String>) -> Self {
        Self(rule.into())
    }
}

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, ValueError> {
    text.parse().map_err(|_| ValueError::rule("must be an IP address and a port, such as 0.0.0.0:9090 or [::]:9090"))
}

/// Parses networks with commas between them.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, ValueError> {
    let network = |part: &str| {
        part.trim().parse().map_err(|fault: NetworkError| ValueError::rule(format!("{:?} {fault}", part.trim())))
    };
    text.split(',').map(network).collect()
}

pub(super) fn path(text: &str) -> Result<PathBuf, ValueError> {
    if text.is_empty() { Err(ValueError::rule("must be a path")) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn yes_or_no(text: &str) -> Result<bool, ValueError> {
    text.parse().map_err(|_| ValueError::rule("must be true or false"))
}

/// Parses a duration in Go's format within `bounds`.
pub(super) fn duration(bounds: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, ValueError> {
    move |text| {
        let read = parse_go_duration(text).ok().and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
        read.map(Duration::from_nanos).filter(|duration| bounds.contains(duration)).ok_or_else(|| {
            let (least, most) = (format_go_duration(*bounds.start()), format_go_duration(*bounds.end()));
            ValueError::rule(format!("must be a duration, written as in 90s or 1h30m, from {least} to {most}"))
        })
    }
}

/// Parses a whole number within `bounds`.
pub(super) fn number<N: FromStr + PartialOrd + Display>(
    bounds: RangeInclusive<N>,
) -> impl Fn(&str) -> Result<N, ValueError> {
    move |text| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && bounds.contains(number)).ok_or_else(|| {
            ValueError::rule(format!("must be a whole number from {} to {}", bounds.start(), bounds.end()))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_are_inclusive() {
        let hour = Duration::from_secs(3600);
        let read = duration(hour..=hour * 2);
        assert!(read("1h").is_ok() && read("120m").is_ok());
        assert_eq!(
            read("59m59s").unwrap_err().to_string(),
            "must be a duration, written as in 90s or 1h30m, from 1h0m0s to 2h0m0s"
        );
        assert!(read("-1h").is_err() && read("3").is_err() && read("").is_err());
        assert!(number(1..=2)("2").is_ok());
        for text in ["0", "3", "", "+1", "1.0", "99999999999999999999999"] {
            assert!(number(1..=2)(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_have_commas_between_them() {
        assert_eq!(networks("10.0.0.0/8, 2001:db8::/32").unwrap().len(), 2);
        assert_eq!(
            networks("10.0.0.0/8,10.0.0.1/8").unwrap_err().to_string(),
            "\"10.0.0.1/8\" must have no bits of the address beyond the length of the prefix"
        );
        assert!(networks("10.0.0.0/8,").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+.0-9a-z:]{0,20}|.{0,40}") {
            let _ = (socket_address(&text), path(&text), yes_or_no(&text), networks(&text));
            let _ = (number(0..=usize::MAX)(&text), duration(Duration::ZERO..=Duration::MAX)(&text));
        }
    }
}
