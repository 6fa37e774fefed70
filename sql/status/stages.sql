-- Purpose: Stages of one run with their time and memory, in the order in which they were begun.
-- Parameters: run_id (bigint).
-- Returns: name; status; started_at; wall_s, cpu_s seconds; peak_mb largest resident memory, MB; counts; notes; message
--     of a failure.
SELECT name, status, started_at, wall_s, cpu_s, peak_mb, counts, notes, message
FROM production.stage
WHERE run_id = :run_id
ORDER BY stage_id;
