-- Purpose: How many stars each cut took out.
-- Parameters: run_id (bigint).
-- Returns: sample observed or training; cut, null for the stars that are left; n_stars.
SELECT 'observed' AS sample, cut, count(*) AS n_stars
FROM production.sample_star
WHERE run_id = :run_id
GROUP BY cut
UNION ALL
SELECT 'training', training_cut, count(*)
FROM production.sample_star
WHERE run_id = :run_id AND role <> 'rejected'
GROUP BY training_cut;
