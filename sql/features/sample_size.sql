-- Purpose: Number of stars of a run's samples
-- Parameters: run_id (bigint) run that selected the samples; roles (text) samples as an array;
--             added (boolean) only stars that have come with the run, not those of its base
-- Returns: n stars
SELECT count(*) AS n
FROM production.sample_star
WHERE run_id = :run_id AND role = ANY (CAST(:'roles' AS text[])) AND added >= CAST(:added AS boolean)
