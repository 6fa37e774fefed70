-- Purpose: All frozen likeness maps.
-- Parameters: none.
-- Returns: key; path of their folder; run_id that made them.
SELECT key, path, run_id
FROM production.likeness_reference
ORDER BY run_id, key;
