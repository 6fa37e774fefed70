-- Purpose: correlation of XP coefficients and labels in the training sample of the run's ensemble (paper Sect. 3.5.2,
--     Fig. 10)
-- Parameters: run_id (bigint) run
-- Returns: label column of the catalogue; n_stars; names of the coefficients; pearson, spearman coefficients of
--     correlation, null where all stars have the same value
SELECT correlation.label, correlation.n_stars, correlation.names, correlation.pearson, correlation.spearman
FROM production.xp_correlation correlation
WHERE correlation.ensemble_id = (
    SELECT label.ensemble_id FROM production.label label WHERE label.run_id = :run_id LIMIT 1
)
ORDER BY correlation.label
