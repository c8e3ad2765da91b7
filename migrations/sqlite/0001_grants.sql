-- Grants, and the ledger of their redemptions.
--
-- Times are whole seconds since 1970-01-01T00:00:00Z, up to 9999-12-31T23:59:59Z: as numbers they sort as time does.
-- Every rule that the program keeps is repeated here, so that no defect of the program can store what breaks it.

-- The state of the store, one row. A revision never comes back, also not after what had it was deleted.
CREATE TABLE store_state (
    only_row  INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    revision  INTEGER NOT NULL CHECK (revision >= 1),
    -- Written by readiness checks; its value means nothing.
    heartbeat INTEGER NOT NULL CHECK (heartbeat >= 0)
) STRICT;

INSERT INTO store_state (only_row, revision, heartbeat) VALUES (1, 1, 0);

CREATE TRIGGER store_state_grows BEFORE UPDATE OF revision ON store_state WHEN NEW.revision < OLD.revision
BEGIN
    SELECT RAISE(ABORT, 'a revision never goes back');
END;

CREATE TRIGGER store_state_stays BEFORE DELETE ON store_state
BEGIN
    SELECT RAISE(ABORT, 'the state of the store is never deleted');
END;

-- A text sealed with the key of this database, one row: what cannot open it is not the key. None before the first start.
CREATE TABLE sealing_key (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    probe    BLOB    NOT NULL CHECK (length(probe) >= 29)
) STRICT;

CREATE TABLE access_grant (
    uid                 TEXT    NOT NULL PRIMARY KEY CHECK (length(uid) = 36),
    namespace           TEXT    NOT NULL CHECK (length(namespace) BETWEEN 1 AND 63),
    name                TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 245),
    issuer              TEXT             CHECK (length(issuer) BETWEEN 1 AND 253),
    -- A version byte, a nonce of 12 bytes, the ciphertext, a tag of 16 bytes.
    sealed_code         BLOB    NOT NULL CHECK (length(sealed_code) BETWEEN 30 AND 4125),
    code_origin         TEXT    NOT NULL CHECK (code_origin IN ('generated', 'given')),
    redemptions_allowed INTEGER NOT NULL CHECK (redemptions_allowed BETWEEN 1 AND 2147483647),
    redemptions         INTEGER NOT NULL CHECK (redemptions BETWEEN 0 AND redemptions_allowed),
    expiration_window   TEXT    NOT NULL CHECK (length(expiration_window) >= 1),
    expires_at          INTEGER NOT NULL CHECK (expires_at BETWEEN 0 AND 253402300799),
    created_at          INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799),
    last_redeemed_at    INTEGER          CHECK (last_redeemed_at BETWEEN 0 AND 253402300799),
    generation          INTEGER NOT NULL CHECK (generation >= 1),
    revision            INTEGER NOT NULL CHECK (revision >= 1),
    sealed_metadata     BLOB             CHECK (length(sealed_metadata) >= 29),
    UNIQUE (namespace, name),
    CHECK ((redemptions = 0) = (last_redeemed_at IS NULL))
) STRICT;

-- For counting by state and for the sweep. The second one changes only with the last redemption of a grant.
CREATE INDEX access_grant_expiry ON access_grant (expires_at);
CREATE INDEX access_grant_used_up ON access_grant (last_redeemed_at, expires_at)
    WHERE redemptions >= redemptions_allowed;

-- The ledger. It names its grant itself and refers to no other table, as it outlives the grant.
CREATE TABLE redemption (
    grant_uid       TEXT    NOT NULL CHECK (length(grant_uid) = 36),
    ordinal         INTEGER NOT NULL CHECK (ordinal BETWEEN 1 AND 2147483647),
    grant_namespace TEXT    NOT NULL CHECK (length(grant_namespace) BETWEEN 1 AND 63),
    grant_name      TEXT    NOT NULL CHECK (length(grant_name) BETWEEN 1 AND 245),
    redeemed_at     INTEGER NOT NULL CHECK (redeemed_at BETWEEN 0 AND 253402300799),
    link_name       TEXT    NOT NULL CHECK (length(link_name) BETWEEN 1 AND 245),
    subject         TEXT    NOT NULL CHECK (length(subject) BETWEEN 1 AND 253),
    peer            TEXT             CHECK (length(peer) BETWEEN 2 AND 45),
    serial          BLOB    NOT NULL CHECK (length(serial) = 16),
    key_fingerprint BLOB    NOT NULL CHECK (length(key_fingerprint) = 32),
    not_after       INTEGER NOT NULL CHECK (not_after BETWEEN 0 AND 253402300799),
    PRIMARY KEY (grant_uid, ordinal),
    UNIQUE (serial)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER redemption_never_changes BEFORE UPDATE ON redemption
BEGIN
    SELECT RAISE(ABORT, 'the ledger never changes');
END;

CREATE TRIGGER redemption_stays BEFORE DELETE ON redemption
BEGIN
    SELECT RAISE(ABORT, 'the ledger is never deleted');
END;
