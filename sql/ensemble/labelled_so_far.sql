-- Purpose: How far the labelling of a run has come, and whether its labels are still those of its ensemble and samples
-- Parameters: run_id (bigint) run; ensemble_id (bigint) ensemble; roles (text) samples as an array;
--     calibrated (boolean) whether the ensemble gives sigma_*_oof; added (boolean) only stars that have come with the run,
--     not those of its base
-- Returns: valid false when a label must go; n labels
SELECT coalesce(bool_and(l.ensemble_id = :ensemble_id AND (l.sigma_teff_oof IS NOT NULL) = :calibrated
                         AND coalesce(s.role = ANY (CAST(:'roles' AS text[])), false)), true) AS valid,
       count(*) AS n
FROM production.label AS l
LEFT JOIN production.sample_star AS s ON s.run_id = l.run_id AND s.source_id = l.source_id
WHERE l.run_id = :run_id AND coalesce(s.added, true) >= CAST(:added AS boolean)
