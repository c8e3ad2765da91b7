//! Every statement of the store. Plain SQL with `$1` parameters, for SQLite and PostgreSQL alike; what only one of them
//! knows (how a transaction begins, how a connection is set up) is in that database's own module.
//!
//! A change's revision is the store's revision plus the change's place in its batch; [`ADVANCE_REVISION`] then moves the
//! store's revision past all of them, in the same transaction.

/// The columns of a grant; `row::grant` reads these names.
macro_rules! grant_columns {
    () => {
        "uid, namespace, name, issuer, sealed_code, code_origin, redemptions_allowed, redemptions, expiration_window, \
         expires_at, created_at, last_redeemed_at, generation, revision, sealed_metadata"
    };
}

/// Revision of the store.
pub(in crate::store) const REVISION: &str = "SELECT revision FROM store_state";

/// The state of the store; `guard::StoreState` reads these names.
pub(in crate::store) const STATE: &str = "SELECT revision, rolled_back_from, rolled_back_to FROM store_state";

/// `$1`: how many changes the batch made.
pub(in crate::store) const ADVANCE_REVISION: &str =
    "UPDATE store_state SET revision = revision + $1 RETURNING revision, rolled_back_from, rolled_back_to";

/// `$1`: the revision that was seen, `$2`: the one that was found. The revision moves past what was seen: none is given twice,
/// and whoever follows the changes has to list again. Of two processes that have seen more than there is, the one that has
/// seen most decides.
pub(in crate::store) const RECORD_ROLLBACK: &str = "UPDATE store_state SET \
     rolled_back_from = CASE WHEN rolled_back_from > $1 THEN rolled_back_from ELSE $1 END, \
     rolled_back_to = COALESCE(rolled_back_to, $2), \
     revision = CASE WHEN revision > $1 THEN revision ELSE $1 END + 1 \
     RETURNING revision, rolled_back_from, rolled_back_to";

/// What [`RECORD_ROLLBACK`] recorded is over.
pub(in crate::store) const ACKNOWLEDGE_ROLLBACK: &str =
    "UPDATE store_state SET rolled_back_from = NULL, rolled_back_to = NULL";

/// A change without meaning, to test whether the database can be written.
pub(in crate::store) const HEARTBEAT: &str = "UPDATE store_state SET heartbeat = heartbeat + 1";

/// `$1`: the bytes of the row, which no check before has written: SQLite writes no page that does not change.
pub(in crate::store) const FILL_READINESS: &str = "INSERT INTO readiness (only_row, filling) VALUES (1, $1) \
     ON CONFLICT (only_row) DO UPDATE SET filling = excluded.filling";

/// Writes the row of grant `$1` without changing it, as a redemption writes it; when that is NULL, the row of the grant that
/// expires last.
pub(in crate::store) const TOUCH_GRANT: &str = "UPDATE access_grant SET revision = revision WHERE uid = \
     COALESCE(CAST($1 AS TEXT), (SELECT uid FROM access_grant \
     WHERE expires_at = (SELECT MAX(expires_at) FROM access_grant) LIMIT 1)) RETURNING uid";

/// The last ledger row of grant `$1`: a redemption writes behind it.
pub(in crate::store) const LAST_REDEMPTION: &str =
    "SELECT ordinal FROM redemption WHERE grant_uid = $1 ORDER BY ordinal DESC LIMIT 1";

/// The schema's version, from the table that sqlx's migrator keeps.
pub(in crate::store) const SCHEMA_VERSION: &str = "SELECT MAX(version) AS version FROM _sqlx_migrations";

/// The sealed text that a key is checked against; no row when the first start was interrupted before it was stored.
pub(in crate::store) const PROBE: &str = "SELECT probe FROM sealing_key";

/// `$1`: the sealed text.
pub(in crate::store) const STORE_PROBE: &str = "INSERT INTO sealing_key (only_row, probe) VALUES (1, $1)";

/// `$1`: uid.
pub(in crate::store) const GET: &str = concat!("SELECT ", grant_columns!(), " FROM access_grant WHERE uid = $1");

/// `$1`: namespace, `$2`: name.
pub(in crate::store) const FIND: &str =
    concat!("SELECT ", grant_columns!(), " FROM access_grant WHERE namespace = $1 AND name = $2");

/// A page of all namespaces, after (`$1`, `$2`), at most `$3`; each row with the store's revision at that moment.
pub(in crate::store) const LIST: &str = concat!(
    "SELECT (SELECT revision FROM store_state) AS store_revision, ",
    grant_columns!(),
    " FROM access_grant WHERE (namespace, name) > ($1, $2) ORDER BY namespace, name LIMIT $3"
);

/// A page of namespace `$1`, after name `$2`, at most `$3`. Otherwise as [`LIST`].
pub(in crate::store) const LIST_NAMESPACE: &str = concat!(
    "SELECT (SELECT revision FROM store_state) AS store_revision, ",
    grant_columns!(),
    " FROM access_grant WHERE namespace = $1 AND name > $2 ORDER BY namespace, name LIMIT $3"
);

/// How many rows [`LIST`] has after (`$1`, `$2`), counted up to `$3`. Only the index is read.
pub(in crate::store) const COUNT_LISTED: &str = "SELECT COUNT(*) AS listed FROM \
     (SELECT name FROM access_grant WHERE (namespace, name) > ($1, $2) LIMIT $3) AS rest";

/// How many rows [`LIST_NAMESPACE`] has; otherwise as [`COUNT_LISTED`].
pub(in crate::store) const COUNT_LISTED_NAMESPACE: &str = "SELECT COUNT(*) AS listed FROM \
     (SELECT name FROM access_grant WHERE namespace = $1 AND name > $2 LIMIT $3) AS rest";

/// Counts by state at `$1`. Each is read from an index alone, without its rows: the sign `+` keeps SQLite from the index on
/// `expires_at` for the third, which would look up every row it finds.
pub(in crate::store) const COUNT: &str = "SELECT \
     (SELECT COUNT(*) FROM access_grant WHERE expires_at <= $1) AS expired, \
     (SELECT COUNT(*) FROM access_grant WHERE expires_at > $1) AS unexpired, \
     (SELECT COUNT(*) FROM access_grant WHERE redemptions >= redemptions_allowed AND +expires_at > $1) AS exhausted";

/// Ledger rows of grant `$1` with ordinals greater than `$2`, at most `$3`.
pub(in crate::store) const REDEMPTIONS: &str = "SELECT grant_uid, ordinal, redeemed_at, link_name, subject, peer, serial, \
     key_fingerprint, not_after FROM redemption WHERE grant_uid = $1 AND ordinal > $2 ORDER BY ordinal LIMIT $3";

/// Replays of grant `$1` after ordinal `$2` and number `$3`, at most `$4`.
pub(in crate::store) const REPLAYS: &str = "SELECT grant_uid, ordinal, number, kind, replayed_at, peer, serial, \
     key_fingerprint, not_after FROM replay WHERE grant_uid = $1 AND (ordinal, number) > ($2, $3) \
     ORDER BY ordinal, number LIMIT $4";

/// The certificate of grant `$1` for the key with fingerprint `$2`, its row of the ledger, and how often it was repeated.
pub(in crate::store) const ISSUED: &str = "SELECT i.certificate, r.ordinal, r.link_name, r.subject, r.serial, \
     r.key_fingerprint, r.not_after, r.redeemed_at, g.expires_at, (SELECT COUNT(*) FROM replay AS p \
     WHERE p.grant_uid = r.grant_uid AND p.ordinal = r.ordinal) AS made FROM issued_certificate AS i \
     JOIN redemption AS r ON r.serial = i.serial JOIN access_grant AS g ON g.uid = i.grant_uid \
     WHERE i.grant_uid = $1 AND i.key_fingerprint = $2";

/// Redemption `$2` of grant `$1`, which exists, and how often it was repeated.
pub(in crate::store) const REPEATED: &str = "SELECT r.link_name, r.subject, r.redeemed_at, g.expires_at, \
     (SELECT COUNT(*) FROM replay AS p WHERE p.grant_uid = r.grant_uid AND p.ordinal = r.ordinal) AS made \
     FROM redemption AS r JOIN access_grant AS g ON g.uid = r.grant_uid WHERE r.grant_uid = $1 AND r.ordinal = $2";

/// The last redemption of grant `$1` with name `$2` and subject `$3` at `$4` or later, if it was repeated less than `$5` times
/// and its certificate is not one that is kept. Only the last thousand redemptions are looked at.
pub(in crate::store) const REPEATABLE: &str = "SELECT ordinal FROM \
     (SELECT r.ordinal, (SELECT COUNT(*) FROM replay AS p WHERE p.grant_uid = r.grant_uid AND p.ordinal = r.ordinal) AS made \
     FROM access_grant AS g JOIN redemption AS r ON r.grant_uid = g.uid AND r.ordinal > g.redemptions - 1000 \
     WHERE g.uid = $1 AND r.link_name = $2 AND r.subject = $3 AND r.redeemed_at >= $4 \
     AND NOT EXISTS (SELECT 1 FROM issued_certificate AS i WHERE i.serial = r.serial) \
     ORDER BY r.ordinal DESC LIMIT 1) AS latest WHERE made < $5";

/// `$3`: the number of the repetition, from 1; the transaction has read how many there are.
pub(in crate::store) const RECORD_REPLAY: &str = "INSERT INTO replay (grant_uid, ordinal, number, kind, replayed_at, peer, \
     serial, key_fingerprint, not_after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// Ledger rows of all grants after grant `$1` and ordinal `$2`, at most `$3`.
pub(in crate::store) const LEDGER: &str = "SELECT grant_uid, ordinal, grant_namespace, grant_name, redeemed_at, link_name, \
     subject, peer, serial, key_fingerprint, not_after FROM redemption WHERE (grant_uid, ordinal) > ($1, $2) \
     ORDER BY grant_uid, ordinal LIMIT $3";

/// `$11`: place in the batch; after it the terms, which `row::TermValues` binds. No row comes back when the name is taken.
pub(in crate::store) const CREATE: &str = "INSERT INTO access_grant (uid, namespace, name, sealed_code, code_origin, \
     redemptions_allowed, redemptions, expires_at, created_at, generation, sealed_metadata, revision, issuer, \
     expiration_window) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, \
     (SELECT revision + $11 FROM store_state), $12, $13) \
     ON CONFLICT (namespace, name) DO NOTHING RETURNING revision";

/// `$1`: uid, `$2`: the revision it must be at, `$7`: place in the batch; after it the terms, which `row::TermValues` binds.
/// The allowance is compared with the stored count.
pub(in crate::store) const UPDATE: &str = concat!(
    "UPDATE access_grant SET redemptions_allowed = $3, code_origin = $4, sealed_metadata = $5, generation = $6, \
     revision = (SELECT revision + $7 FROM store_state), issuer = $8, expiration_window = $9 \
     WHERE uid = $1 AND revision = $2 AND redemptions <= $3 RETURNING ",
    grant_columns!()
);

/// `$1`: uid, `$2`: the revision it must be at. What [`UPDATE`] replaces.
pub(in crate::store) const METADATA_AT: &str =
    "SELECT uid, namespace, name, sealed_metadata FROM access_grant WHERE uid = $1 AND revision = $2";

/// `$1`: uid. Whether there is still such a grant.
pub(in crate::store) const EXISTS: &str = "SELECT revision FROM access_grant WHERE uid = $1";

/// `$1`: namespace, `$2`: name, `$3`: the revision it must be at, any when NULL, `$4`: place in the batch.
pub(in crate::store) const DELETE: &str = concat!(
    "DELETE FROM access_grant WHERE namespace = $1 AND name = $2 \
     AND (CAST($3 AS BIGINT) IS NULL OR revision = $3) \
     RETURNING (SELECT revision + $4 FROM store_state) AS deleted_revision, ",
    grant_columns!()
);

/// `$1`: namespace, `$2`: name. Whether there is such a grant, at whatever revision.
pub(in crate::store) const NAME_EXISTS: &str = "SELECT revision FROM access_grant WHERE namespace = $1 AND name = $2";

/// Removes at most `$2` grants that expired before `$1`, the oldest first.
pub(in crate::store) const SWEEP_EXPIRED: &str = concat!(
    "DELETE FROM access_grant WHERE uid IN \
     (SELECT uid FROM access_grant WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) RETURNING ",
    grant_columns!()
);

/// Removes at most `$2` grants that were used up before `$1`, the oldest first.
pub(in crate::store) const SWEEP_USED_UP: &str = concat!(
    "DELETE FROM access_grant WHERE uid IN \
     (SELECT uid FROM access_grant WHERE redemptions >= redemptions_allowed AND last_redeemed_at < $1 \
     ORDER BY last_redeemed_at LIMIT $2) RETURNING ",
    grant_columns!()
);

/// The columns of an object; `row::object` reads these names.
macro_rules! object_columns {
    () => {
        "kind, namespace, name, uid, generation, revision, created_at, sealed_content"
    };
}

/// `$1`: kind, `$2`: namespace, `$3`: name.
pub(in crate::store) const OBJECT: &str =
    concat!("SELECT ", object_columns!(), " FROM object WHERE kind = $1 AND namespace = $2 AND name = $3");

/// A page of kind `$1` in all namespaces, after (`$2`, `$3`), at most `$4`; each row with the store's revision at that
/// moment.
pub(in crate::store) const OBJECTS: &str = concat!(
    "SELECT (SELECT revision FROM store_state) AS store_revision, ",
    object_columns!(),
    " FROM object WHERE kind = $1 AND (namespace, name) > ($2, $3) ORDER BY namespace, name LIMIT $4"
);

/// A page of kind `$1` in namespace `$2`, after name `$3`, at most `$4`. Otherwise as [`OBJECTS`].
pub(in crate::store) const OBJECTS_NAMESPACE: &str = concat!(
    "SELECT (SELECT revision FROM store_state) AS store_revision, ",
    object_columns!(),
    " FROM object WHERE kind = $1 AND namespace = $2 AND name > $3 ORDER BY namespace, name LIMIT $4"
);

/// How many rows [`OBJECTS`] has of kind `$1` after (`$2`, `$3`), counted up to `$4`. Only the index is read.
pub(in crate::store) const COUNT_OBJECTS: &str = "SELECT COUNT(*) AS listed FROM \
     (SELECT name FROM object WHERE kind = $1 AND (namespace, name) > ($2, $3) LIMIT $4) AS rest";

/// How many rows [`OBJECTS_NAMESPACE`] has; otherwise as [`COUNT_OBJECTS`].
pub(in crate::store) const COUNT_OBJECTS_NAMESPACE: &str = "SELECT COUNT(*) AS listed FROM \
     (SELECT name FROM object WHERE kind = $1 AND namespace = $2 AND name > $3 LIMIT $4) AS rest";

/// `$8`: place in the batch. No row comes back when the name is taken.
pub(in crate::store) const CREATE_OBJECT: &str = "INSERT INTO object (kind, namespace, name, uid, generation, created_at, \
     sealed_content, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT revision + $8 FROM store_state)) \
     ON CONFLICT (kind, namespace, name) DO NOTHING RETURNING revision";

/// `$1`: kind, `$2`: namespace, `$3`: name. Whether there is such an object, at which revision, and what it is sealed for.
pub(in crate::store) const OBJECT_STATE: &str = "SELECT uid, revision, created_at, CAST(length(sealed_content) AS BIGINT) AS content_bytes FROM object \
     WHERE kind = $1 AND namespace = $2 AND name = $3";

/// `$1`: kind, `$2`: namespace, `$3`: name, `$4`: the revision it must be at, `$7`: place in the batch.
pub(in crate::store) const UPDATE_OBJECT: &str = "UPDATE object SET generation = $5, sealed_content = $6, \
     revision = (SELECT revision + $7 FROM store_state) \
     WHERE kind = $1 AND namespace = $2 AND name = $3 AND revision = $4 RETURNING revision";

/// `$1`: kind, `$2`: namespace, `$3`: name, `$4`: the revision it must be at, any when NULL, `$5`: place in the batch.
pub(in crate::store) const DELETE_OBJECT: &str = concat!(
    "DELETE FROM object WHERE kind = $1 AND namespace = $2 AND name = $3 \
     AND (CAST($4 AS BIGINT) IS NULL OR revision = $4) \
     RETURNING (SELECT revision + $5 FROM store_state) AS deleted_revision, ",
    object_columns!()
);

/// How many grants there are.
pub(in crate::store) const COUNT_GRANTS: &str = "SELECT COUNT(*) FROM access_grant";

/// How many redemptions the ledger has.
pub(in crate::store) const COUNT_LEDGER: &str = "SELECT COUNT(*) FROM redemption";

/// How many grants can be redeemed at `$1`.
pub(in crate::store) const COUNT_OPEN: &str =
    "SELECT COUNT(*) AS open FROM access_grant WHERE expires_at > $1 AND redemptions < redemptions_allowed";

/// Ends at `$1` the time of every grant that could be redeemed then, as one change; `$2`: its place in the batch.
pub(in crate::store) const EXPIRE_OPEN: &str = "UPDATE access_grant SET expires_at = $1, \
     revision = (SELECT revision + $2 FROM store_state) WHERE expires_at > $1 AND redemptions < redemptions_allowed";

/// `$1`: namespace. No row when nothing is stored there. Triggers keep it.
pub(in crate::store) const NAMESPACE_USAGE: &str = "SELECT objects, bytes FROM namespace_usage WHERE namespace = $1";

/// Makes the transaction durable.
pub(in crate::store) const COMMIT: &str = "COMMIT";

/// Undoes the whole transaction.
pub(in crate::store) const ROLLBACK: &str = "ROLLBACK";

/// Before an operation that may have to be undone alone.
pub(in crate::store) const SAVEPOINT: &str = "SAVEPOINT operation";

/// Undoes what came after the savepoint, which stays.
pub(in crate::store) const ROLLBACK_TO_SAVEPOINT: &str = "ROLLBACK TO SAVEPOINT operation";

/// Ends the savepoint and keeps the changes after it.
pub(in crate::store) const RELEASE_SAVEPOINT: &str = "RELEASE SAVEPOINT operation";

/// Before several writes of one operation.
pub(in crate::store) const SAVEPOINT_WRITES: &str = "SAVEPOINT writes";

/// Undoes those of them that were done.
pub(in crate::store) const ROLLBACK_TO_SAVEPOINT_WRITES: &str = "ROLLBACK TO SAVEPOINT writes";

/// Ends that savepoint and keeps the changes after it.
pub(in crate::store) const RELEASE_SAVEPOINT_WRITES: &str = "RELEASE SAVEPOINT writes";
