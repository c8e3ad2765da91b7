-- Grants, the ledger of their redemptions, objects, and what each namespace has stored: the tables of migrations/sqlite.
--
-- Times are whole seconds since 1970-01-01T00:00:00Z, up to 9999-12-31T23:59:59Z: as numbers they sort as time does.
-- Every rule that the program keeps is repeated here, so that no defect of the program can store what breaks it.
-- COLLATE "C": texts are ordered by their bytes, whatever the language of the database.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END
$$;

-- The state of the store, one row. A revision never comes back, also not after what had it was deleted.
-- Whoever writes locks this row first, so that revisions are given in the order of commits. It changes with each
-- transaction: the free space keeps its versions on one page.
CREATE TABLE store_state (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    revision BIGINT NOT NULL CHECK (revision >= 1),
    -- Written by readiness checks; its value means nothing.
    heartbeat BIGINT NOT NULL CHECK (heartbeat >= 0),
    -- A database that was put back to an older state: the revision that was seen before, and the one that was found. Both are
    -- NULL when there was no such thing, and once an operator has acknowledged it.
    rolled_back_from BIGINT CHECK (rolled_back_from >= 1),
    rolled_back_to   BIGINT CHECK (rolled_back_to >= 1)
) WITH (fillfactor = 10);

INSERT INTO store_state (only_row, revision, heartbeat) VALUES (1, 1, 0);

CREATE TRIGGER store_state_grows BEFORE UPDATE OF revision ON store_state FOR EACH ROW
WHEN (NEW.revision < OLD.revision) EXECUTE FUNCTION refuse_change('a revision never goes back');

CREATE TRIGGER store_state_stays BEFORE DELETE OR TRUNCATE ON store_state FOR EACH STATEMENT
EXECUTE FUNCTION refuse_change('the state of the store is never deleted');

-- A text sealed with the key of this database, one row: what cannot open it is not the key.
CREATE TABLE sealing_key (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    probe    BYTEA  NOT NULL CHECK (length(probe) >= 29)
);

CREATE TABLE access_grant (
    uid                 TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(uid) = 36),
    namespace           TEXT COLLATE "C" NOT NULL CHECK (length(namespace) BETWEEN 1 AND 63),
    name                TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 245),
    issuer              TEXT COLLATE "C"          CHECK (length(issuer) BETWEEN 1 AND 253),
    -- A version byte, a nonce of 12 bytes, the ciphertext, a tag of 16 bytes.
    sealed_code         BYTEA            NOT NULL CHECK (length(sealed_code) BETWEEN 30 AND 4125),
    code_origin         TEXT COLLATE "C" NOT NULL CHECK (code_origin IN ('generated', 'given')),
    redemptions_allowed BIGINT           NOT NULL CHECK (redemptions_allowed BETWEEN 1 AND 2147483647),
    redemptions         BIGINT           NOT NULL CHECK (redemptions BETWEEN 0 AND redemptions_allowed),
    expiration_window   TEXT COLLATE "C" NOT NULL CHECK (length(expiration_window) >= 1),
    expires_at          BIGINT           NOT NULL CHECK (expires_at BETWEEN 0 AND 253402300799),
    created_at          BIGINT           NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799),
    last_redeemed_at    BIGINT                    CHECK (last_redeemed_at BETWEEN 0 AND 253402300799),
    generation          BIGINT           NOT NULL CHECK (generation >= 1),
    revision            BIGINT           NOT NULL CHECK (revision >= 1),
    sealed_metadata     BYTEA                     CHECK (length(sealed_metadata) >= 29),
    UNIQUE (namespace, name),
    CHECK ((redemptions = 0) = (last_redeemed_at IS NULL))
);

-- For counting by state and for the sweep. The second one changes only with the last redemption of a grant.
CREATE INDEX access_grant_expiry ON access_grant (expires_at);
CREATE INDEX access_grant_used_up ON access_grant (last_redeemed_at, expires_at)
    WHERE redemptions >= redemptions_allowed;

-- The ledger. It names its grant itself and refers to no other table, as it outlives the grant.
CREATE TABLE redemption (
    grant_uid       TEXT COLLATE "C" NOT NULL CHECK (length(grant_uid) = 36),
    ordinal         BIGINT           NOT NULL CHECK (ordinal BETWEEN 1 AND 2147483647),
    grant_namespace TEXT COLLATE "C" NOT NULL CHECK (length(grant_namespace) BETWEEN 1 AND 63),
    grant_name      TEXT COLLATE "C" NOT NULL CHECK (length(grant_name) BETWEEN 1 AND 245),
    redeemed_at     BIGINT           NOT NULL CHECK (redeemed_at BETWEEN 0 AND 253402300799),
    link_name       TEXT COLLATE "C" NOT NULL CHECK (length(link_name) BETWEEN 1 AND 245),
    subject         TEXT COLLATE "C" NOT NULL CHECK (length(subject) BETWEEN 1 AND 253),
    peer            TEXT COLLATE "C"          CHECK (length(peer) BETWEEN 2 AND 45),
    serial          BYTEA            NOT NULL CHECK (length(serial) = 16),
    key_fingerprint BYTEA            NOT NULL CHECK (length(key_fingerprint) = 32),
    not_after       BIGINT           NOT NULL CHECK (not_after BETWEEN 0 AND 253402300799),
    PRIMARY KEY (grant_uid, ordinal),
    UNIQUE (serial)
);

CREATE TRIGGER redemption_never_changes BEFORE UPDATE ON redemption FOR EACH STATEMENT
EXECUTE FUNCTION refuse_change('the ledger never changes');

CREATE TRIGGER redemption_stays BEFORE DELETE OR TRUNCATE ON redemption FOR EACH STATEMENT
EXECUTE FUNCTION refuse_change('the ledger is never deleted');

-- Objects that are kept as callers wrote them: what the connecting side applies and is given.
CREATE TABLE object (
    kind           TEXT COLLATE "C" NOT NULL CHECK (kind IN ('AccessToken', 'Link', 'Secret', 'Site')),
    namespace      TEXT COLLATE "C" NOT NULL CHECK (length(namespace) BETWEEN 1 AND 63),
    name           TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 253),
    uid            TEXT COLLATE "C" NOT NULL UNIQUE CHECK (length(uid) = 36),
    generation     BIGINT           NOT NULL CHECK (generation >= 1),
    revision       BIGINT           NOT NULL CHECK (revision >= 1),
    created_at     BIGINT           NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799),
    -- A version byte, a nonce of 12 bytes, the ciphertext, a tag of 16 bytes.
    sealed_content BYTEA            NOT NULL CHECK (length(sealed_content) >= 30),
    PRIMARY KEY (kind, namespace, name)
);

-- Certificates for keys that their clients made themselves. The same key gets the same certificate again, as long as there is
-- the grant: the row is removed with it. Each has its row in the ledger, which stays.
CREATE TABLE issued_certificate (
    grant_uid       TEXT COLLATE "C" NOT NULL REFERENCES access_grant (uid) ON DELETE CASCADE,
    key_fingerprint BYTEA            NOT NULL CHECK (length(key_fingerprint) = 32),
    serial          BYTEA            NOT NULL UNIQUE REFERENCES redemption (serial),
    -- DER.
    certificate     BYTEA            NOT NULL CHECK (length(certificate) BETWEEN 100 AND 65536),
    PRIMARY KEY (grant_uid, key_fingerprint)
);

CREATE TRIGGER issued_certificate_never_changes BEFORE UPDATE OR TRUNCATE ON issued_certificate FOR EACH STATEMENT
EXECUTE FUNCTION refuse_change('an issued certificate never changes');

CREATE FUNCTION refuse_delete_before_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM access_grant WHERE uid = OLD.grant_uid) THEN
        RAISE EXCEPTION 'an issued certificate is deleted with its grant only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END
$$;

CREATE TRIGGER issued_certificate_stays BEFORE DELETE ON issued_certificate FOR EACH ROW
EXECUTE FUNCTION refuse_delete_before_grant();

-- Redemptions that were answered once more and not counted again: 'replayed' with the same certificate, 'reissued' with a new
-- one. Like the ledger, it outlives the grant and never changes.
CREATE TABLE replay (
    grant_uid       TEXT COLLATE "C" NOT NULL CHECK (length(grant_uid) = 36),
    ordinal         BIGINT           NOT NULL CHECK (ordinal BETWEEN 1 AND 2147483647),
    number          BIGINT           NOT NULL CHECK (number BETWEEN 1 AND 100),
    kind            TEXT COLLATE "C" NOT NULL CHECK (kind IN ('replayed', 'reissued')),
    replayed_at     BIGINT           NOT NULL CHECK (replayed_at BETWEEN 0 AND 253402300799),
    peer            TEXT COLLATE "C"          CHECK (length(peer) BETWEEN 2 AND 45),
    serial          BYTEA            NOT NULL CHECK (length(serial) = 16),
    key_fingerprint BYTEA            NOT NULL CHECK (length(key_fingerprint) = 32),
    not_after       BIGINT           NOT NULL CHECK (not_after BETWEEN 0 AND 253402300799),
    PRIMARY KEY (grant_uid, ordinal, number),
    FOREIGN KEY (grant_uid, ordinal) REFERENCES redemption (grant_uid, ordinal),
    CHECK (kind = 'replayed' OR number <= 3)
);

CREATE TRIGGER replay_never_changes BEFORE UPDATE ON replay FOR EACH STATEMENT
EXECUTE FUNCTION refuse_change('the record of replays never changes');

CREATE TRIGGER replay_stays BEFORE DELETE OR TRUNCATE ON replay FOR EACH STATEMENT
EXECUTE FUNCTION refuse_change('the record of replays is never deleted');

-- What a check of readiness writes, as much as a redemption does and more. Stored outside of the row and not compressed, so
-- that it takes its space on the disk.
CREATE TABLE readiness (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    filling  BYTEA  NOT NULL CHECK (length(filling) = 40000)
);

ALTER TABLE readiness ALTER COLUMN filling SET STORAGE EXTERNAL;
