//! Redemptions whose answer was lost: whether they are counted is looked up before anyone is answered.
//!
//! A connection that breaks between a request and its answer says nothing about the transaction. So another one is opened,
//! which first ends the process of the one before ([`Setup::open_writer`]), and then looks for the serial numbers in the
//! ledger: what is there is counted, what is not never will be by the lost call. That is then tried once more, with the same
//! serial numbers, which the ledger has once at most.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::{
    connection::{Setup, timed_out},
    fault,
    redeem::{self, Answers},
};
use crate::{
    grant::{PendingRedemption, Revision},
    store::{
        DatabaseError, StoreFailure,
        sql::{
            failure::Failure,
            redemption::{Outcome, Redeemed, unavailable},
        },
    },
};

/// How long it may take to find out, from the moment at which the answer was lost. After that the callers get an error.
const DEADLINE: Duration = Duration::from_secs(5);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a batch is sent: a second time when it is certain that the first one was not counted.
const MOST_CALLS: u32 = 2;
/// In place of a uid, when a transaction of several attempts breaks a rule.
const SEVERAL_GRANTS: &str = "(several grants)";

/// [`Backend::redeem`](crate::store::sql::backend::Backend::redeem).
pub(super) async fn redeem(
    setup: &Setup,
    connection: &mut PgConnection,
    attempts: &[&PendingRedemption],
) -> Result<Redeemed, Failure> {
    let mut outcomes: Vec<Option<Outcome>> = attempts.iter().map(|_| None).collect();
    let mut head = None;
    for call in 1..=MOST_CALLS {
        let places: Vec<usize> = (0..attempts.len()).filter(|place| outcomes[*place].is_none()).collect();
        let open: Vec<&PendingRedemption> = places.iter().map(|place| attempts[*place]).collect();
        if open.is_empty() {
            break;
        }
        let error = match redeem::count(connection, &open).await {
            Ok(answers) => {
                keep(answers, &places, &mut outcomes, &mut head);
                break;
            }
            Err(error) => error,
        };
        let resolved = match fault::is_lost(&error) {
            true => resolve(setup, connection, &open).await,
            false => Err(()),
        };
        match resolved {
            Ok(answers) => keep(answers, &places, &mut outcomes, &mut head),
            Err(()) => return unanswered(attempts, outcomes, head, error),
        }
        if call == MOST_CALLS && outcomes.iter().any(Option::is_none) {
            return unanswered(attempts, outcomes, head, error);
        }
    }
    Ok(Redeemed { head: head_of(&outcomes, head), outcomes: outcomes.into_iter().flatten().collect() })
}

fn keep(answers: Answers, places: &[usize], outcomes: &mut [Option<Outcome>], head: &mut Option<Revision>) {
    for (place, outcome) in places.iter().zip(answers.outcomes) {
        outcomes[*place] = outcome;
    }
    *head = answers.head.or(*head);
}

/// The revision, if anything was counted.
fn head_of(outcomes: &[Option<Outcome>], head: Option<Revision>) -> Option<Revision> {
    head.filter(|_| outcomes.iter().any(|outcome| matches!(outcome, Some(Outcome::Counted { .. }))))
}

/// Opens another connection and looks for the attempts in the ledger.
async fn resolve(setup: &Setup, connection: &mut PgConnection, attempts: &[&PendingRedemption]) -> Result<Answers, ()> {
    let deadline = Instant::now() + DEADLINE;
    warn!(redemptions = attempts.len(), "the connection to the database was lost before the answer: looking it up");
    loop {
        let error = match timeout_at(deadline, look_up(setup, connection, attempts)).await.map_err(|_| timed_out()) {
            Ok(Ok(answers)) => {
                let recorded = answers.outcomes.iter().flatten().count();
                info!(redemptions = attempts.len(), recorded, "looked up what the lost answer said");
                return Ok(answers);
            }
            Ok(Err(error)) | Err(error) => error,
        };
        if Instant::now() + PAUSE >= deadline {
            warn!(%error, "whether redemptions were counted could not be looked up: their callers get an error");
            return Err(());
        }
        sleep(PAUSE).await;
    }
}

async fn look_up(
    setup: &Setup,
    connection: &mut PgConnection,
    attempts: &[&PendingRedemption],
) -> Result<Answers, sqlx::Error> {
    *connection = setup.open_writer().await?;
    redeem::find(connection, attempts).await
}

/// The answers when some attempts have none: the failure of all, or, if some of them are counted, the failure of the others.
fn unanswered(
    attempts: &[&PendingRedemption],
    outcomes: Vec<Option<Outcome>>,
    head: Option<Revision>,
    error: sqlx::Error,
) -> Result<Redeemed, Failure> {
    if outcomes.iter().all(Option::is_none) {
        let id = match attempts {
            [attempt] => attempt.admission().grant_id().to_string(),
            _ => SEVERAL_GRANTS.to_owned(),
        };
        return Err(Failure::of_statement(fault::concern(&error), error, &id));
    }
    let error = DatabaseError::new(error);
    let failed = || Outcome::Unreadable(unavailable(StoreFailure::Database(error.clone())));
    let head = head_of(&outcomes, head);
    Ok(Redeemed { head, outcomes: outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(failed)).collect() })
}
