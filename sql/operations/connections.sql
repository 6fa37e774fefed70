-- Purpose: How many connections the server has, and how many it allows.
-- Parameters: none.
-- Returns: used; most.
SELECT count(*) AS used, CAST(current_setting('max_connections') AS integer) AS most
FROM pg_stat_activity
WHERE backend_type = 'client backend';
