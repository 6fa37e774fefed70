-- Purpose: Runs that a process is working on now: their advisory locks.
-- Parameters: lock (integer) first half of the locks' keys.
-- Returns: key second half of the lock's key; pid of the server's process; application.
SELECT CAST(locks.objid AS bigint) AS key, locks.pid, activity.application_name AS application
FROM pg_locks AS locks
LEFT JOIN pg_stat_activity AS activity ON activity.pid = locks.pid
WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 2 AND locks.classid = CAST(:lock AS oid)
  AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database());
