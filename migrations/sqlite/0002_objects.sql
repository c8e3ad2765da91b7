-- Objects that are kept as callers wrote them: what the connecting side applies and is given.

CREATE TABLE object (
    kind           TEXT    NOT NULL CHECK (kind IN ('AccessToken', 'Link', 'Secret', 'Site')),
    namespace      TEXT    NOT NULL CHECK (length(namespace) BETWEEN 1 AND 63),
    name           TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 253),
    uid            TEXT    NOT NULL UNIQUE CHECK (length(uid) = 36),
    generation     INTEGER NOT NULL CHECK (generation >= 1),
    revision       INTEGER NOT NULL CHECK (revision >= 1),
    created_at     INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799),
    -- A version byte, a nonce of 12 bytes, the ciphertext, a tag of 16 bytes.
    sealed_content BLOB    NOT NULL CHECK (length(sealed_content) >= 30),
    PRIMARY KEY (kind, namespace, name)
) STRICT;
