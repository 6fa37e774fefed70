-- Purpose: What validation said of a run: the checks that decide whether it may be published.
-- Parameters: run_id (bigint) run
-- Returns: status pass, warn, fail or not run; n_checks of that status; failures for fail, a list with comparison,
--     subset, label, n and message of each failed check, else null
SELECT status, count(*) AS n_checks,
       CASE WHEN status = 'fail' THEN
           jsonb_agg(jsonb_build_object('comparison', comparison, 'subset', subset, 'label', label, 'n', n, 'message', message)
                     ORDER BY comparison, subset, label)
       END AS failures
FROM production.validation_result
WHERE run_id = :run_id AND status <> 'info'
GROUP BY status
