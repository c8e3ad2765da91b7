-- A database that was put back to an older state: the revision that was seen before, and the one that was found. Both are
-- NULL when there was no such thing, and once an operator has acknowledged it.
ALTER TABLE store_state ADD COLUMN rolled_back_from INTEGER CHECK (rolled_back_from >= 1);
ALTER TABLE store_state ADD COLUMN rolled_back_to INTEGER CHECK (rolled_back_to >= 1);
