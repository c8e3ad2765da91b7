-- What each namespace has stored, kept by triggers: a quota is compared with one row, however many objects there are.
-- Bytes are those of sealed columns, which are a little longer than what is in them.

CREATE TABLE namespace_usage (
    namespace TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(namespace) BETWEEN 1 AND 63),
    objects   BIGINT           NOT NULL CHECK (objects >= 0),
    bytes     BIGINT           NOT NULL CHECK (bytes >= 0)
);

-- GREATEST: a row that was changed by hand must not keep others from being deleted.
CREATE FUNCTION add_usage(of_namespace TEXT, more_objects BIGINT, more_bytes BIGINT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF more_objects > 0 THEN
        INSERT INTO namespace_usage AS u (namespace, objects, bytes) VALUES (of_namespace, more_objects, more_bytes)
        ON CONFLICT (namespace) DO UPDATE SET objects = u.objects + excluded.objects, bytes = u.bytes + excluded.bytes;
        RETURN;
    END IF;
    UPDATE namespace_usage SET objects = GREATEST(0, objects + more_objects), bytes = GREATEST(0, bytes + more_bytes)
    WHERE namespace = of_namespace;
    IF more_objects < 0 THEN
        DELETE FROM namespace_usage WHERE namespace = of_namespace AND objects = 0;
    END IF;
END
$$;

CREATE FUNCTION count_object() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM add_usage(NEW.namespace, 1, length(NEW.sealed_content));
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM add_usage(NEW.namespace, 0, length(NEW.sealed_content) - length(OLD.sealed_content));
    ELSE
        PERFORM add_usage(OLD.namespace, -1, -length(OLD.sealed_content));
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER object_counted AFTER INSERT OR DELETE OR UPDATE OF sealed_content ON object FOR EACH ROW
EXECUTE FUNCTION count_object();

CREATE FUNCTION count_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM add_usage(NEW.namespace, 1, length(NEW.sealed_code) + COALESCE(length(NEW.sealed_metadata), 0));
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM add_usage(
            NEW.namespace, 0, COALESCE(length(NEW.sealed_metadata), 0) - COALESCE(length(OLD.sealed_metadata), 0)
        );
    ELSE
        PERFORM add_usage(OLD.namespace, -1, -length(OLD.sealed_code) - COALESCE(length(OLD.sealed_metadata), 0));
    END IF;
    RETURN NULL;
END
$$;

-- A redemption changes other columns, and so does not come here.
CREATE TRIGGER grant_counted AFTER INSERT OR DELETE OR UPDATE OF sealed_metadata ON access_grant FOR EACH ROW
EXECUTE FUNCTION count_grant();
