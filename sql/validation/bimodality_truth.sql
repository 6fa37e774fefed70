-- Purpose: to which sequence of [alpha/M] and where in the Galaxy the observed stars inside the limits were injected into
--     a synthetic sky; held against what bimodality.sql and the labels give for the same stars
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; alpha_division (real) between low and high
--     [alpha/M] where a population has both
-- Returns: source_id star; mh_truth, alpham_truth injected labels; r_truth and z_truth injected position in kpc, NaN where
--     there is none; high_truth whether it was injected into the high sequence: thick disc, or halo and bulge above the
--     division
SELECT star.source_id, truth.mh AS mh_truth, truth.alpham AS alpham_truth, COALESCE(truth.r_gal, 'NaN') AS r_truth,
       COALESCE(truth.z_gal, 'NaN') AS z_truth,
       CASE WHEN truth.population LIKE 'thin%' THEN FALSE
            WHEN truth.population LIKE 'thick%' THEN TRUE
            ELSE truth.alpham > :alpha_division END AS high_truth
FROM production.labelled_star star
JOIN survey.true_star truth ON truth.release = star.release AND truth.source_id = star.source_id
WHERE star.run_id = :run_id
  AND star.release = :'release'
  AND star.role = 'observed'
  AND star.flag_bits = 0
