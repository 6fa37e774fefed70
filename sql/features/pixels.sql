-- Purpose: Stars of a run's samples in each HEALPix pixel, of a level that the shift tells: 59 - 2 * level
-- Parameters: run_id (bigint) run that selected the samples; roles (text) samples as an array;
--             added (boolean) only stars that have come with the run, not those of its base;
--             shift (int) bits of source_id below the pixel number
-- Returns: pixel nested number; n stars
SELECT source_id >> CAST(:shift AS int) AS pixel, count(*) AS n
FROM production.sample_star
WHERE run_id = :run_id AND role = ANY (CAST(:'roles' AS text[])) AND added >= CAST(:added AS boolean)
GROUP BY 1
ORDER BY 1
