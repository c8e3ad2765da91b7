-- What a check of readiness writes: one row, about as many pages as a redemption changes at most. So a disk on which the
-- check succeeds has space for a redemption.
CREATE TABLE readiness (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    filling  BLOB    NOT NULL CHECK (length(filling) = 40000)
) STRICT;
