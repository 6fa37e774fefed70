-- Purpose: Stages of one run with how far each is, the last attempt at each.
-- Parameters: run_id (bigint).
-- Returns: name; status; started_at; wall_s, cpu_s seconds and peak_mb so far; done and total of the work in units of its own, or null; words on
--     what it was at; silent_s seconds since it last told; counts; message of a failure.
SELECT DISTINCT ON (name) name, status, started_at, wall_s, cpu_s, peak_mb, progress_done AS done, progress_total AS total,
       progress_words AS words, CAST(extract(epoch FROM clock_timestamp() - progress_at) AS double precision) AS silent_s,
       CAST(extract(epoch FROM clock_timestamp() - started_at) AS double precision) AS age_s, counts, message
FROM production.stage
WHERE run_id = :run_id
ORDER BY name, stage_id DESC;
