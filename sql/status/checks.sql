-- Purpose: How the checks of a run went.
-- Parameters: run_id (bigint).
-- Returns: status; n results.
SELECT status, count(*) AS n
FROM production.validation_result
WHERE run_id = :run_id
GROUP BY status;
