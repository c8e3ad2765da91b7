-- Sealed values of the second form: they are bound to the namespace and name of their row, and an object's to its kind,
-- and not only to its uid. No table changes; the number keeps away a program that knows the first form only, which would
-- take new rows for corrupt ones.
UPDATE store_state SET heartbeat = heartbeat;
