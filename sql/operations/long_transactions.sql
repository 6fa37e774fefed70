-- Purpose: Transactions of this database that have been open for long: rows deleted since cannot be cleared.
-- Parameters: seconds (double precision) from which a transaction is long.
-- Returns: pid; account; application; state; seconds since it was begun.
SELECT pid, usename AS account, COALESCE(NULLIF(application_name, ''), 'unnamed') AS application, state,
       CAST(extract(epoch FROM clock_timestamp() - xact_start) AS double precision) AS seconds
FROM pg_stat_activity
WHERE datname = current_database()
  AND pid <> pg_backend_pid()
  AND xact_start < clock_timestamp() - make_interval(secs => :seconds)
ORDER BY xact_start;
