-- Redemptions: a batch is one call and one round trip.

-- The time that decides whether a grant has expired: the database's, and not the replica's that admitted the attempt. Not the
-- time at which the statement began, which may have waited for the lock.
CREATE FUNCTION time_of_decision(admitted_at BIGINT) RETURNS BIGINT LANGUAGE sql VOLATILE AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()))::BIGINT
$$;

-- Counts these attempts and writes their ledger rows. Each is counted if its grant exists, has not expired and has a redemption
-- left after those before it; one with a certificate that is to be kept, if its key has none of the grant yet, also not of an
-- attempt before it. Those that are counted get, in their order, the next revisions of the store, and the next ordinals of
-- their grants. `head` is the store's revision after them.
--
-- The lock is a statement of its own, before the one that decides: under READ COMMITTED, each statement of a function sees what
-- was committed before it began, so what it reads after the lock cannot be old. The parts of the second statement all see
-- the state before it, in whatever order they run.
CREATE FUNCTION redeem_batch(
    grant_uids TEXT[], instants BIGINT[], link_names TEXT[], subjects TEXT[], peers TEXT[],
    serials BYTEA[], fingerprints BYTEA[], ends BIGINT[], certificates BYTEA[]
) RETURNS TABLE (outcome TEXT, ordinal BIGINT, grant_name TEXT, head BIGINT) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    before_batch BIGINT;
    was_put_back BOOLEAN;
BEGIN
    SELECT revision, rolled_back_from IS NOT NULL INTO STRICT before_batch, was_put_back FROM store_state FOR UPDATE;
    IF was_put_back THEN
        -- Another replica has found out.
        RAISE EXCEPTION 'the database was put back to an older state: run grantd store acknowledge-rollback'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN QUERY
    WITH checked AS MATERIALIZED (
        SELECT a.*, g.namespace, g.name, g.redemptions AS made, g.redemptions_allowed AS allowed,
            CASE
                WHEN g.uid IS NULL THEN 'gone'
                WHEN a.decided_at >= g.expires_at THEN 'expired'
                WHEN a.certificate IS NOT NULL AND EXISTS (
                    SELECT FROM issued_certificate AS i WHERE i.grant_uid = a.uid AND i.key_fingerprint = a.fingerprint
                ) THEN 'known key'
            END AS refusal
        FROM (
            SELECT u.*, time_of_decision(u.admitted_at) AS decided_at
            FROM unnest(
                grant_uids, instants, link_names, subjects, peers, serials, fingerprints, ends, certificates
            ) WITH ORDINALITY AS u (
                uid, admitted_at, link_name, subject, peer, serial, fingerprint, not_after, certificate, place
            ) OFFSET 0
        ) AS a LEFT JOIN access_grant AS g ON g.uid = a.uid
    ), eligible AS (
        SELECT c.*, c.refusal IS NULL AND (c.certificate IS NULL OR 1 = ROW_NUMBER() OVER (
            PARTITION BY c.uid, c.fingerprint, c.certificate IS NULL, c.refusal ORDER BY c.place
        )) AS is_eligible
        FROM checked AS c
    ), numbered AS (
        SELECT e.*, ROW_NUMBER() OVER (PARTITION BY e.uid, e.is_eligible ORDER BY e.place) AS turn FROM eligible AS e
    ), decided AS MATERIALIZED (
        SELECT n.*, n.is_eligible AND n.made + n.turn <= n.allowed AS is_counted FROM numbered AS n
    ), counted AS MATERIALIZED (
        SELECT d.*, ROW_NUMBER() OVER (ORDER BY d.place) AS change FROM decided AS d WHERE d.is_counted
    ), ledger AS (
        INSERT INTO redemption (grant_uid, ordinal, grant_namespace, grant_name, redeemed_at, link_name, subject, peer,
            serial, key_fingerprint, not_after)
        SELECT uid, made + turn, namespace, name, decided_at, link_name, subject, peer, serial, fingerprint, not_after
        FROM counted
    ), kept AS (
        INSERT INTO issued_certificate (grant_uid, key_fingerprint, serial, certificate)
        SELECT uid, fingerprint, serial, certificate FROM counted WHERE certificate IS NOT NULL
    ), grants AS (
        UPDATE access_grant AS g SET redemptions = g.redemptions + n.number,
            last_redeemed_at = GREATEST(g.last_redeemed_at, n.latest), revision = before_batch + n.last_change
        FROM (
            SELECT uid, COUNT(*) AS number, MAX(decided_at) AS latest, MAX(change) AS last_change
            FROM counted GROUP BY uid
        ) AS n WHERE g.uid = n.uid
    ), state AS (
        UPDATE store_state SET revision = before_batch + (SELECT COUNT(*) FROM counted)
        WHERE EXISTS (SELECT FROM counted)
    )
    SELECT
        CASE
            WHEN d.is_counted THEN 'counted'
            WHEN d.refusal IS NOT NULL THEN d.refusal
            WHEN NOT d.is_eligible AND BOOL_OR(d.is_counted AND d.certificate IS NOT NULL) OVER (
                PARTITION BY d.uid, d.fingerprint
            ) THEN 'known key'
            ELSE 'exhausted'
        END,
        d.made + d.turn, d.name, before_batch + (SELECT COUNT(*) FROM counted)
    FROM decided AS d ORDER BY d.place;
END
$$;

-- Which of these serial numbers are in the ledger, and the store's revision: asked after a connection was lost before the answer
-- of redeem_batch. The update waits for whoever has the lock. Its commit comes after all earlier ones, also on a
-- synchronous standby, so what this answers is as durable as the answer that was lost.
CREATE FUNCTION find_recorded(serials BYTEA[])
RETURNS TABLE (place BIGINT, grant_uid TEXT, key_fingerprint BYTEA, ordinal BIGINT, grant_name TEXT, head BIGINT)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE store_state SET heartbeat = heartbeat + 1;
    RETURN QUERY
    SELECT u.place, r.grant_uid, r.key_fingerprint, r.ordinal, r.grant_name, s.revision
    FROM store_state AS s, unnest(serials) WITH ORDINALITY AS u (serial, place)
    JOIN redemption AS r ON r.serial = u.serial;
END
$$;
