//! Redemptions in PostgreSQL: a batch is one call of a function of the migrations, and one round trip.

use sqlx::{PgConnection, postgres::PgRow};
use tokio::time::timeout;

use super::connection::{ANSWER_TIMEOUT, timed_out};
use crate::{
    grant::{PendingRedemption, Revision},
    store::{
        StoreError,
        sql::{redemption::Outcome, statement::Columns as _},
    },
};

const REDEEM: &str = "SELECT outcome, ordinal, grant_name, head FROM redeem_batch($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const FIND_RECORDED: &str =
    "SELECT place, grant_uid, key_fingerprint, ordinal, grant_name, head FROM find_recorded($1)";

/// What is known of a batch: an outcome for each attempt for which there is one, and the store's revision.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) outcomes: Vec<Option<Outcome>>,
    pub(super) head: Option<Revision>,
}

/// Counts these attempts. When this fails, they may be counted.
pub(super) async fn count(
    connection: &mut PgConnection,
    attempts: &[&PendingRedemption],
) -> Result<Answers, sqlx::Error> {
    let admissions = || attempts.iter().map(|attempt| attempt.admission());
    let certificates = || attempts.iter().map(|attempt| attempt.certificate());
    let query = sqlx::query(REDEEM)
        .bind(admissions().map(|admission| admission.grant_id().to_string()).collect::<Vec<_>>())
        .bind(admissions().map(|admission| admission.admitted_at().unix_seconds()).collect::<Vec<_>>())
        .bind(admissions().map(|admission| admission.link_name().as_str()).collect::<Vec<_>>())
        .bind(admissions().map(|admission| admission.subject().as_str()).collect::<Vec<_>>())
        .bind(admissions().map(|admission| admission.peer().map(|peer| peer.to_string())).collect::<Vec<_>>())
        .bind(certificates().map(|certificate| &certificate.serial.as_bytes()[..]).collect::<Vec<_>>())
        .bind(certificates().map(|certificate| &certificate.key_fingerprint.as_bytes()[..]).collect::<Vec<_>>())
        .bind(certificates().map(|certificate| certificate.not_after.unix_seconds()).collect::<Vec<_>>())
        .bind(attempts.iter().map(|attempt| attempt.kept()).collect::<Vec<_>>());
    let rows = timeout(ANSWER_TIMEOUT, query.fetch_all(connection)).await.map_err(|_| timed_out())??;
    let outcomes = attempts.iter().zip(&rows).map(|(attempt, row)| Some(outcome(attempt, row)));
    Ok(Answers { outcomes: outcomes.collect(), head: rows.first().and_then(head) })
}

/// Looks for these attempts in the ledger. There is an outcome for those that are in it.
pub(super) async fn find(
    connection: &mut PgConnection,
    attempts: &[&PendingRedemption],
) -> Result<Answers, sqlx::Error> {
    let serials: Vec<&[u8]> = attempts.iter().map(|attempt| &attempt.certificate().serial.as_bytes()[..]).collect();
    let query = sqlx::query(FIND_RECORDED).bind(serials);
    let rows = timeout(ANSWER_TIMEOUT, query.fetch_all(connection)).await.map_err(|_| timed_out())??;
    let mut outcomes: Vec<Option<Outcome>> = attempts.iter().map(|_| None).collect();
    for row in &rows {
        let place = row.integer("place").ok().and_then(|place| usize::try_from(place - 1).ok());
        let Some((place, attempt)) = place.and_then(|place| Some((place, attempts.get(place)?))) else { continue };
        let uid = attempt.admission().grant_id().to_string();
        let fingerprint = &attempt.certificate().key_fingerprint.as_bytes()[..];
        // The serial number of another attempt: this one was not counted, and will not be.
        if row.text("grant_uid") == Ok(&*uid) && row.bytes("key_fingerprint") == Ok(fingerprint) {
            outcomes[place] = Some(counted(attempt, row));
        }
    }
    Ok(Answers { outcomes, head: rows.first().and_then(head) })
}

fn outcome(attempt: &PendingRedemption, row: &PgRow) -> Outcome {
    match row.text("outcome") {
        Ok("counted") => counted(attempt, row),
        Ok("gone") => Outcome::Gone,
        Ok("expired") => Outcome::Expired,
        Ok("known key") => Outcome::KnownKey,
        Ok("exhausted") => Outcome::Exhausted,
        Ok(_) | Err(_) => unreadable(attempt, "outcome"),
    }
}

fn counted(attempt: &PendingRedemption, row: &PgRow) -> Outcome {
    let ordinal = row.integer("ordinal").ok().and_then(|ordinal| u32::try_from(ordinal).ok());
    let name = row.text("grant_name").ok().and_then(|name| name.parse().ok());
    match (ordinal, name) {
        (Some(ordinal), Some(name)) => Outcome::Counted { ordinal, name },
        (None, Some(_) | None) => unreadable(attempt, "redemptions"),
        (Some(_), None) => unreadable(attempt, "name"),
    }
}

fn unreadable(attempt: &PendingRedemption, what: &'static str) -> Outcome {
    Outcome::Unreadable(StoreError::Corrupt { id: attempt.admission().grant_id().to_string(), what })
}

fn head(row: &PgRow) -> Option<Revision> {
    row.integer("head").ok().and_then(|revision| u64::try_from(revision).ok()).map(Revision)
}
