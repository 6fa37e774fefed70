-- Purpose: What this database takes on disk.
-- Parameters: none.
-- Returns: bytes.
SELECT pg_database_size(current_database()) AS bytes;
