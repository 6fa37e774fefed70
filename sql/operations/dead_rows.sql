-- Purpose: Rows of our tables that are deleted but not yet cleared.
-- Parameters: none.
-- Returns: name of the table with its schema; alive rows; dead rows; bytes with indexes.
SELECT schemaname || '.' || relname AS name, n_live_tup AS alive, n_dead_tup AS dead, pg_total_relation_size(relid) AS bytes
FROM pg_stat_user_tables
WHERE schemaname IN ('survey', 'production', 'catalogue', 'service')
ORDER BY n_dead_tup DESC;
