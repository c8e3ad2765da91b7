-- What each namespace has stored, kept by triggers: a quota is compared with one row, however many objects there are.
-- Bytes are those of sealed columns, which are a little longer than what is in them.

CREATE TABLE namespace_usage (
    namespace TEXT    NOT NULL PRIMARY KEY CHECK (length(namespace) BETWEEN 1 AND 63),
    objects   INTEGER NOT NULL CHECK (objects >= 0),
    bytes     INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT;

INSERT INTO namespace_usage (namespace, objects, bytes)
SELECT namespace, SUM(objects), SUM(bytes) FROM (
    SELECT namespace, COUNT(*) AS objects, SUM(length(sealed_code) + COALESCE(length(sealed_metadata), 0)) AS bytes
    FROM access_grant GROUP BY namespace
    UNION ALL
    SELECT namespace, COUNT(*), SUM(length(sealed_content)) FROM object GROUP BY namespace
) AS stored GROUP BY namespace;

CREATE TRIGGER object_counted AFTER INSERT ON object
BEGIN
    INSERT INTO namespace_usage (namespace, objects, bytes) VALUES (NEW.namespace, 1, length(NEW.sealed_content))
    ON CONFLICT (namespace) DO UPDATE SET objects = objects + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER object_recounted AFTER UPDATE OF sealed_content ON object
WHEN length(NEW.sealed_content) <> length(OLD.sealed_content)
BEGIN
    UPDATE namespace_usage SET bytes = MAX(0, bytes + length(NEW.sealed_content) - length(OLD.sealed_content))
    WHERE namespace = NEW.namespace;
END;

-- MAX: a row that was changed by hand must not keep others from being deleted.
CREATE TRIGGER object_uncounted AFTER DELETE ON object
BEGIN
    UPDATE namespace_usage SET objects = MAX(0, objects - 1), bytes = MAX(0, bytes - length(OLD.sealed_content))
    WHERE namespace = OLD.namespace;
    DELETE FROM namespace_usage WHERE namespace = OLD.namespace AND objects = 0;
END;

CREATE TRIGGER grant_counted AFTER INSERT ON access_grant
BEGIN
    INSERT INTO namespace_usage (namespace, objects, bytes)
    VALUES (NEW.namespace, 1, length(NEW.sealed_code) + COALESCE(length(NEW.sealed_metadata), 0))
    ON CONFLICT (namespace) DO UPDATE SET objects = objects + 1, bytes = bytes + excluded.bytes;
END;

-- A redemption changes other columns, and so does not come here.
CREATE TRIGGER grant_recounted AFTER UPDATE OF sealed_metadata ON access_grant
WHEN COALESCE(length(NEW.sealed_metadata), 0) <> COALESCE(length(OLD.sealed_metadata), 0)
BEGIN
    UPDATE namespace_usage
    SET bytes = MAX(0, bytes + COALESCE(length(NEW.sealed_metadata), 0) - COALESCE(length(OLD.sealed_metadata), 0))
    WHERE namespace = NEW.namespace;
END;

CREATE TRIGGER grant_uncounted AFTER DELETE ON access_grant
BEGIN
    UPDATE namespace_usage SET objects = MAX(0, objects - 1),
        bytes = MAX(0, bytes - length(OLD.sealed_code) - COALESCE(length(OLD.sealed_metadata), 0))
    WHERE namespace = OLD.namespace;
    DELETE FROM namespace_usage WHERE namespace = OLD.namespace AND objects = 0;
END;
