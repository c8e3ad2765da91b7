-- Answers that are sent again: the certificates that can be, and each time that one was.

-- Certificates for keys that their clients made themselves. The same key gets the same certificate again, as long as there is
-- the grant: the row is removed with it. Each has its row in the ledger, which stays.
CREATE TABLE issued_certificate (
    grant_uid       TEXT    NOT NULL REFERENCES access_grant (uid) ON DELETE CASCADE,
    key_fingerprint BLOB    NOT NULL CHECK (length(key_fingerprint) = 32),
    serial          BLOB    NOT NULL UNIQUE REFERENCES redemption (serial),
    -- DER.
    certificate     BLOB    NOT NULL CHECK (length(certificate) BETWEEN 100 AND 65536),
    PRIMARY KEY (grant_uid, key_fingerprint)
) STRICT;

CREATE TRIGGER issued_certificate_never_changes BEFORE UPDATE ON issued_certificate
BEGIN
    SELECT RAISE(ABORT, 'an issued certificate never changes');
END;

CREATE TRIGGER issued_certificate_stays BEFORE DELETE ON issued_certificate
WHEN EXISTS (SELECT 1 FROM access_grant WHERE uid = OLD.grant_uid)
BEGIN
    SELECT RAISE(ABORT, 'an issued certificate is deleted with its grant only');
END;

-- Redemptions that were answered once more and not counted again: 'replayed' with the same certificate, 'reissued' with a new
-- one. Like the ledger, it outlives the grant and never changes.
CREATE TABLE replay (
    grant_uid       TEXT    NOT NULL CHECK (length(grant_uid) = 36),
    ordinal         INTEGER NOT NULL CHECK (ordinal BETWEEN 1 AND 2147483647),
    number          INTEGER NOT NULL CHECK (number BETWEEN 1 AND 100),
    kind            TEXT    NOT NULL CHECK (kind IN ('replayed', 'reissued')),
    replayed_at     INTEGER NOT NULL CHECK (replayed_at BETWEEN 0 AND 253402300799),
    peer            TEXT             CHECK (length(peer) BETWEEN 2 AND 45),
    serial          BLOB    NOT NULL CHECK (length(serial) = 16),
    key_fingerprint BLOB    NOT NULL CHECK (length(key_fingerprint) = 32),
    not_after       INTEGER NOT NULL CHECK (not_after BETWEEN 0 AND 253402300799),
    PRIMARY KEY (grant_uid, ordinal, number),
    FOREIGN KEY (grant_uid, ordinal) REFERENCES redemption (grant_uid, ordinal),
    CHECK (kind = 'replayed' OR number <= 3)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER replay_never_changes BEFORE UPDATE ON replay
BEGIN
    SELECT RAISE(ABORT, 'the record of replays never changes');
END;

CREATE TRIGGER replay_stays BEFORE DELETE ON replay
BEGIN
    SELECT RAISE(ABORT, 'the record of replays is never deleted');
END;
