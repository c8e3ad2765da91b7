//! Redemptions in SQLite: a transaction is one call.
//!
//! Each call of a statement is two switches between threads, as SQLite runs on one of its own. So a whole transaction,
//! from BEGIN to COMMIT, is one text of several statements. A single redemption has its values as parameters. Several are
//! one parameter, an array in JSON, and are counted set by set: the ledger rows of all, then the revision, then the counts.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use sqlx::{Error, Sqlite, SqliteConnection, sqlite::SqliteRow};

use crate::{
    grant::PendingRedemption,
    store::{
        DatabaseError, StoreError, StoreFailure,
        sql::{
            backend::{Backend, fetch},
            failure::{Failure, database, revision_of},
            redemption::{Outcome, Redeemed, unavailable},
            statement::{Broken, Columns as _, Statement, statement},
        },
    },
};

/// Counts one redemption of grant `$1` at `$2`, if one is left and the grant has not expired.
///
/// Condition and change are one statement: between a SELECT and an UPDATE another writer could take the last one. Requests
/// admitted in one second may commit in another order, so the time of the last redemption only grows.
macro_rules! count_one {
    () => {
        "UPDATE access_grant SET redemptions = redemptions + 1, \
         last_redeemed_at = CASE WHEN last_redeemed_at > $2 THEN last_redeemed_at ELSE $2 END, \
         revision = (SELECT revision + 1 FROM store_state) \
         WHERE uid = $1 AND redemptions < redemptions_allowed AND expires_at > $2"
    };
}

/// The ledger row of the redemption that `count_one` counted with the same `$1` and `$2`. No row is
/// written when `count_one` counted none, as then the grant does not have the next revision.
macro_rules! record_one {
    () => {
        "INSERT INTO redemption (grant_uid, ordinal, grant_namespace, grant_name, redeemed_at, link_name, subject, peer, \
         serial, key_fingerprint, not_after) \
         SELECT uid, redemptions, namespace, name, $2, $3, $4, $5, $6, $7, $8 FROM access_grant \
         WHERE uid = $1 AND revision = (SELECT revision + 1 FROM store_state) RETURNING serial, ordinal, grant_name"
    };
}

/// The ledger rows of the attempts in `$1`, an array of arrays: uid, instant of the admission, link name, subject, peer,
/// serial, fingerprint of the key, end of the certificate; bytes in hexadecimal. The attempts of one grant are
/// numbered (`turn`), and those with a number up to the redemptions left get a row.
macro_rules! record_each {
    () => {
        record_each!("")
    };
    ($further_condition:literal) => {
        concat!(
        "INSERT INTO redemption (grant_uid, ordinal, grant_namespace, grant_name, redeemed_at, link_name, subject, peer, \
         serial, key_fingerprint, not_after) \
         SELECT uid, made + turn, namespace, name, at, link_name, subject, peer, unhex(serial), unhex(fingerprint), \
         not_after FROM (SELECT g.uid, g.namespace, g.name, g.redemptions AS made, g.redemptions_allowed AS allowed, \
         a.value ->> 1 AS at, a.value ->> 2 AS link_name, a.value ->> 3 AS subject, a.value ->> 4 AS peer, \
         a.value ->> 5 AS serial, a.value ->> 6 AS fingerprint, a.value ->> 7 AS not_after, \
         ROW_NUMBER() OVER (PARTITION BY g.uid ORDER BY a.key) AS turn \
         FROM json_each($1) AS a CROSS JOIN access_grant AS g ON g.uid = (a.value ->> 0) \
         WHERE g.expires_at > (a.value ->> 1)",
            $further_condition,
            ") WHERE made + turn <= allowed RETURNING serial, ordinal, grant_name"
        )
    };
}

/// [`record_each`] when some attempts have a key of the client's own. Their ninth member is their certificate in hexadecimal,
/// and their tenth the earliest instant of the attempts before them with the same grant and key, or null. Those whose key has
/// a certificate of the grant are passed over, and so are those with an attempt before them that gets one now, because the
/// grant had not expired at its instant.
macro_rules! record_each_new_key {
    () => {
        record_each!(
            " AND ((a.value ->> 8) IS NULL OR (NOT EXISTS (SELECT 1 FROM issued_certificate AS i \
             WHERE i.grant_uid = g.uid AND i.key_fingerprint = unhex(a.value ->> 6)) \
             AND ((a.value ->> 9) IS NULL OR g.expires_at <= (a.value ->> 9))))"
        )
    };
}

/// Keeps the certificates of the attempts in `$1` that have a ledger row. A row with the serial number of an attempt may be that of
/// another one, and an attempt with a key whose certificate is kept has none.
macro_rules! keep_each {
    () => {
        "INSERT INTO issued_certificate (grant_uid, key_fingerprint, serial, certificate) \
         SELECT r.grant_uid, r.key_fingerprint, r.serial, unhex(a.value ->> 8) \
         FROM json_each($1) AS a CROSS JOIN redemption AS r ON r.serial = unhex(a.value ->> 5) \
         WHERE (a.value ->> 8) IS NOT NULL \
         AND r.grant_uid = (a.value ->> 0) AND r.key_fingerprint = unhex(a.value ->> 6) \
         AND NOT EXISTS (SELECT 1 FROM issued_certificate AS i WHERE i.serial = r.serial)"
    };
}

/// Moves the store's revision past the ledger rows that the statement before wrote.
macro_rules! advance {
    () => {
        "UPDATE store_state SET revision = revision + changes() WHERE changes() > 0 RETURNING revision"
    };
}

/// Counts what `record_each` wrote of the same `$1`: the rows with these serial numbers that are beyond the grant's count.
///
/// `record_each` has decided how many may be counted. This statement does not repeat the condition: if they ever differed,
/// ledger rows without a count would be left. As it is, the CHECK of the table refuses a count beyond what is allowed, and
/// the transaction ends with neither. A grant gets the revision of its last redemption: the store's revision minus the
/// number of redemptions after it.
macro_rules! count_each {
    () => {
        "UPDATE access_grant SET redemptions = redemptions + counted.number, \
         last_redeemed_at = CASE WHEN last_redeemed_at > latest THEN last_redeemed_at ELSE latest END, \
         revision = (SELECT revision FROM store_state) + 1 - counted.from_end \
         FROM (SELECT uid, COUNT(*) AS number, MAX(at) AS latest, MIN(from_end) AS from_end FROM \
         (SELECT g.uid, r.redeemed_at AS at, ROW_NUMBER() OVER (ORDER BY a.key DESC) AS from_end \
         FROM json_each($1) AS a CROSS JOIN redemption AS r ON r.serial = unhex(a.value ->> 5) \
         CROSS JOIN access_grant AS g ON g.uid = r.grant_uid \
         WHERE g.uid = (a.value ->> 0) AND r.ordinal > g.redemptions) GROUP BY uid) AS counted \
         WHERE access_grant.uid = counted.uid"
    };
}

/// The allowance and the end of the grants with the uids in `$1`, an array in JSON. They show why nothing was counted.
macro_rules! allowances {
    () => {
        "SELECT g.uid, g.redemptions_allowed, g.redemptions, g.expires_at \
         FROM json_each($1) AS a CROSS JOIN access_grant AS g ON g.uid = a.value"
    };
}

/// The serial numbers of the certificates that are kept for the keys in `$1`, an array in JSON of a uid and the fingerprint of
/// a key each.
macro_rules! known_keys {
    () => {
        "SELECT i.grant_uid, i.key_fingerprint FROM json_each($1) AS a CROSS JOIN issued_certificate AS i \
         ON i.grant_uid = (a.value ->> 0) AND i.key_fingerprint = unhex(a.value ->> 1)"
    };
}

// IMMEDIATE for the reason given at `begin` in the parent module.
const REDEEM_ONE: &str = concat!("BEGIN IMMEDIATE; ", count_one!(), "; ", record_one!(), "; ", advance!(), "; COMMIT");
const REDEEM_EACH: &str =
    concat!("BEGIN IMMEDIATE; ", record_each!(), "; ", advance!(), "; ", count_each!(), "; COMMIT");
const REDEEM_AND_KEEP_EACH: &str = concat!(
    "BEGIN IMMEDIATE; ",
    record_each_new_key!(),
    "; ",
    advance!(),
    "; ",
    count_each!(),
    "; ",
    keep_each!(),
    "; COMMIT"
);

/// In place of a uid, when a transaction of several attempts breaks a rule.
const SEVERAL_GRANTS: &str = "(several grants)";

/// For the test of query plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[count_one!(), record_each!(), count_each!(), record_each_new_key!(), keep_each!(), allowances!(), known_keys!()];

/// [`Backend::redeem`].
pub(super) async fn redeem<B: Backend<Database = Sqlite>>(
    connection: &mut SqliteConnection,
    attempts: &[&PendingRedemption],
) -> Result<Redeemed, Failure> {
    let mut rows = match attempts {
        [attempt] if attempt.kept().is_none() => redeem_one::<B>(connection, attempt).await?,
        attempts => redeem_each::<B>(connection, attempts).await?,
    };
    // The transaction is committed now. So an answer that cannot be read must not lead to a second attempt.
    // The last row is the store's revision, and there is one if anything was counted.
    let head = match rows.pop().map(|row| revision_of(&row, "revision", "(store)")).transpose() {
        Ok(head) => head,
        Err(Failure::Row(error)) => return Err(database(Error::Decode(error.into()))),
        Err(failure @ (Failure::Transaction(_) | Failure::Database(_))) => return Err(failure),
    };
    let mut outcomes: Vec<Option<Outcome>> = attempts.iter().map(|attempt| recorded(attempt, &rows)).collect();
    if outcomes.iter().any(Option::is_none) {
        // Read after the transaction. This connection alone writes, so the rows have not changed since the decision.
        explain::<B>(connection, attempts, &mut outcomes).await;
    }
    Ok(Redeemed { outcomes: outcomes.into_iter().flatten().collect(), head })
}

/// Finds out why attempts were not counted.
async fn explain<B: Backend<Database = Sqlite>>(
    connection: &mut SqliteConnection,
    attempts: &[&PendingRedemption],
    outcomes: &mut [Option<Outcome>],
) {
    let refused =
        || attempts.iter().zip(&*outcomes).filter(|(_, outcome)| outcome.is_none()).map(|(attempt, _)| attempt);
    let ids: Vec<String> = refused().map(|attempt| attempt.admission().grant_id().to_string()).collect();
    let keys: Vec<_> = refused().filter(|attempt| attempt.kept().is_some()).map(|attempt| key_of(attempt)).collect();
    let read = async {
        let allowances = fetch::<B>(connection, statement(allowances!()).bind(&json!(ids).to_string())).await?;
        let keys = match keys.is_empty() {
            true => Vec::new(),
            false => fetch::<B>(connection, statement(known_keys!()).bind(&json!(keys).to_string())).await?,
        };
        Ok::<_, Error>((allowances, keys))
    };
    let read = read.await.map_err(DatabaseError::new);
    for (attempt, outcome) in attempts.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_none()) {
        *outcome = Some(match &read {
            Ok((allowances, keys)) => refusal(attempt, allowances, keys),
            Err(error) => Outcome::Unreadable(unavailable(StoreFailure::Database(error.clone()))),
        });
    }
}

/// The uid of the grant, and the fingerprint of the key.
fn key_of(attempt: &PendingRedemption) -> (String, String) {
    let fingerprint = hexadecimal(attempt.certificate().key_fingerprint.as_bytes());
    (attempt.admission().grant_id().to_string(), fingerprint)
}

async fn redeem_one<B: Backend<Database = Sqlite>>(
    connection: &mut SqliteConnection,
    attempt: &PendingRedemption,
) -> Result<Vec<SqliteRow>, Failure> {
    let (admission, certificate) = (attempt.admission(), attempt.certificate());
    let id = admission.grant_id().to_string();
    let peer = admission.peer().map(|peer| peer.to_string());
    let redeem = statement(REDEEM_ONE)
        .bind(&id)
        .bind(admission.admitted_at().unix_seconds())
        .bind(admission.link_name().as_str())
        .bind(admission.subject().as_str())
        .bind(peer.as_deref())
        .bind(&certificate.serial.as_bytes()[..])
        .bind(&certificate.key_fingerprint.as_bytes()[..])
        .bind(certificate.not_after.unix_seconds());
    run::<B>(connection, redeem, &id).await
}

async fn redeem_each<B: Backend<Database = Sqlite>>(
    connection: &mut SqliteConnection,
    attempts: &[&PendingRedemption],
) -> Result<Vec<SqliteRow>, Failure> {
    // The ledger row of an attempt is found by its serial number. When two attempts have the same one, only one can be
    // counted, and the rows do not show which; so they have to be counted in separate transactions.
    let mut serials = HashSet::new();
    if !attempts.iter().all(|attempt| serials.insert(attempt.certificate().serial.as_bytes())) {
        return Err(Failure::rule(SEVERAL_GRANTS));
    }
    // The earliest instant of the attempts so far with this grant and key.
    let mut earliest: HashMap<(String, String), i64> = HashMap::new();
    let rows = attempts.iter().map(|attempt| {
        let (admission, certificate) = (attempt.admission(), attempt.certificate());
        let mut row = json!([
            admission.grant_id().to_string(),
            admission.admitted_at().unix_seconds(),
            admission.link_name().as_str(),
            admission.subject().as_str(),
            admission.peer().map(|peer| peer.to_string()),
            hexadecimal(certificate.serial.as_bytes()),
            hexadecimal(certificate.key_fingerprint.as_bytes()),
            certificate.not_after.unix_seconds(),
        ]);
        if let (Some(members), Some(certificate)) = (row.as_array_mut(), attempt.kept()) {
            let at = admission.admitted_at().unix_seconds();
            let before = earliest.get(&key_of(attempt)).copied();
            earliest.insert(key_of(attempt), before.map_or(at, |before| before.min(at)));
            members.extend([hexadecimal(certificate).into(), before.into()]);
        }
        row
    });
    let rows = serde_json::Value::Array(rows.collect()).to_string();
    let keeps = attempts.iter().any(|attempt| attempt.kept().is_some());
    let text = if keeps { REDEEM_AND_KEEP_EACH } else { REDEEM_EACH };
    let id = match attempts {
        [attempt] => attempt.admission().grant_id().to_string(),
        _ => SEVERAL_GRANTS.to_owned(),
    };
    run::<B>(connection, statement(text).bind(&rows), &id).await
}

async fn run<B: Backend<Database = Sqlite>>(
    connection: &mut SqliteConnection,
    statement: Statement<'_>,
    id: &str,
) -> Result<Vec<SqliteRow>, Failure> {
    let rows = fetch::<B>(connection, statement).await;
    rows.map_err(|error| Failure::of_statement(B::concern(&error), error, id))
}

/// The outcome of an attempt that has a ledger row among these.
fn recorded(attempt: &PendingRedemption, rows: &[SqliteRow]) -> Option<Outcome> {
    let serial = &attempt.certificate().serial.as_bytes()[..];
    let row = rows.iter().find(|row| row.bytes("serial") == Ok(serial))?;
    let ordinal = row.integer("ordinal").ok().and_then(|ordinal| u32::try_from(ordinal).ok());
    let name = row.text("grant_name").ok().and_then(|name| name.parse().ok());
    Some(match (ordinal, name) {
        (Some(ordinal), Some(name)) => Outcome::Counted { ordinal, name },
        (None, Some(_) | None) => unreadable(attempt, "redemptions"),
        (Some(_), None) => unreadable(attempt, "name"),
    })
}

/// Why nothing was counted, in the order of the checks of admission.
fn refusal(attempt: &PendingRedemption, allowances: &[SqliteRow], keys: &[SqliteRow]) -> Outcome {
    let id = attempt.admission().grant_id().to_string();
    let fingerprint = &attempt.certificate().key_fingerprint.as_bytes()[..];
    let is_key = |row: &SqliteRow| row.text("grant_uid") == Ok(&*id) && row.bytes("key_fingerprint") == Ok(fingerprint);
    let Some(row) = allowances.iter().find(|row| row.text("uid") == Ok(&*id)) else { return Outcome::Gone };
    let read = |column| row.integer(column);
    match (read("expires_at"), read("redemptions"), read("redemptions_allowed")) {
        (Ok(expires_at), ..) if attempt.admission().admitted_at().unix_seconds() >= expires_at => Outcome::Expired,
        (Ok(_), Ok(_), Ok(_)) if attempt.kept().is_some() && keys.iter().any(is_key) => Outcome::KnownKey,
        (Ok(_), Ok(made), Ok(allowed)) if made >= allowed => Outcome::Exhausted,
        (Ok(_), Ok(_), Ok(_)) => unreadable(attempt, "redemptions"),
        (Err(Broken(what)), ..) | (_, Err(Broken(what)), _) | (_, _, Err(Broken(what))) => unreadable(attempt, what),
    }
}

fn unreadable(attempt: &PendingRedemption, what: &'static str) -> Outcome {
    Outcome::Unreadable(StoreError::Corrupt { id: attempt.admission().grant_id().to_string(), what })
}

/// The bytes in hexadecimal, which SQLite's `unhex` reads.
fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
