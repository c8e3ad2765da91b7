//! `grantd token check`.

use std::time::Duration;

use super::redeem::read_token;
use crate::{
    app::chain,
    cli::{
        args::CheckArgs,
        error::CliError,
        files::FileLocation,
        findings::{Finding, failed, print},
        flag::FlagFaults,
        output::Console,
    },
    client::{CheckedToken, GrantAnswer, RedeemTokenError, check},
    time::{Clock, Timestamp},
};

const LEAST_TIMEOUT: Duration = Duration::from_secs(1);
/// Certificates are dated back by five minutes, so a clock that is further behind does not accept new ones.
const WORST_SKEW: Duration = Duration::from_secs(5 * 60);
/// Smaller differences come from whole seconds and the network.
const LEAST_SKEW: Duration = Duration::from_secs(30);

pub(crate) async fn run(args: &CheckArgs, console: &mut Console<'_>) -> Result<(), CliError> {
    let mut faults = FlagFaults::default();
    let Some(deadline) = faults.timeout(&args.timeout, LEAST_TIMEOUT) else { return Err(faults.into_error()) };
    let token = read_token(&FileLocation::new(&args.file), console)?;
    let mut findings = vec![Finding::ok("token", format!("\"{}\" for {}", token.name, token.url))];
    let checked = console.wait(&token.url, check(&token, deadline)).await;
    let unreachable = match checked {
        Ok(checked) => {
            findings.extend(of_answer(&checked, Clock::system().now()));
            None
        }
        Err(error) => {
            findings.push(of_failure(&error));
            Some(error)
        }
    };
    print(&findings, args.output, console)?;
    match (unreachable, failed(&findings)) {
        (Some(error), _) => Err(CliError::Redeem(error)),
        (None, 0) => Ok(()),
        (None, _) => Err(CliError::Refused { message: "the token cannot be redeemed now".to_owned(), hint: None }),
    }
}

fn of_failure(error: &RedeemTokenError) -> Finding {
    Finding::fail("connection", chain(error), error.hint().unwrap_or("see that the token is whole and its server runs"))
}

fn of_answer(checked: &CheckedToken, now: Timestamp) -> Vec<Finding> {
    let connection = Finding::ok("connection", "TLS 1.3, with a certificate from the CA in the token");
    let clock = checked.server_time.map(|server| clock(server, now));
    [Some(connection), clock, Some(grant(&checked.grant))].into_iter().flatten().collect()
}

fn clock(server: Timestamp, now: Timestamp) -> Finding {
    let (ahead, behind) = (now.since(server), server.since(now));
    let (by, which) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    let message = format!("this host is {} s {which} the server", by.as_secs());
    if by <= LEAST_SKEW {
        Finding::ok("clock", message)
    } else if behind >= WORST_SKEW {
        Finding::fail(
            "clock",
            format!("{message}: the certificate would not be valid here yet"),
            "set the clock of this host, or of the server",
        )
    } else {
        Finding::warn("clock", message, "set the clock of this host, or of the server")
    }
}

fn grant(answer: &GrantAnswer) -> Finding {
    const NEW_TOKEN: &str = "ask the operator of the other site for a new token";
    match answer {
        GrantAnswer::Open => {
            Finding::ok("grant", "open; whether the code in the file is right shows only when it is redeemed")
        }
        GrantAnswer::Unknown => Finding::fail("grant", "expired, deleted, or never there", NEW_TOKEN),
        GrantAnswer::UsedUp => Finding::fail("grant", "used up", NEW_TOKEN),
        GrantAnswer::NotNow { status } => {
            Finding::fail("grant", format!("the server cannot tell now (status {status})"), "try again later")
        }
        GrantAnswer::Strange { status, text } => Finding::fail(
            "grant",
            format!("the server answers as no grant server does: {status} {text}"),
            "see that the URL in the token leads to a grant server",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::findings::Level;

    #[test]
    fn a_clock_that_is_far_behind_would_refuse_the_certificate() {
        let at = |seconds: i64| Timestamp::from_unix_seconds(1_700_000_000 + seconds);
        for (now, level) in [
            (0, Level::Ok),
            (30, Level::Ok),
            (-30, Level::Ok),
            (31, Level::Warn),
            (900, Level::Warn),
            (-299, Level::Warn),
            (-300, Level::Fail),
        ] {
            assert_eq!(clock(at(0), at(now)).status, level, "{now}");
        }
        assert_eq!(clock(at(0), at(40)).message, "this host is 40 s ahead of the server");
    }
}
