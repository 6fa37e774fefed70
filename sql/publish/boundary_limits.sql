-- Purpose: The limits behind a run's flags: ranges of the training sample, largest distances in t-SNE maps and between spectra
-- Parameters: run_id (bigint) run
-- Returns: the columns of catalogue.boundary_limits, see the comments of that table
SELECT quantity, CAST(array_position(ARRAY['teff', 'logg', 'mh', 'alpham', 'feh', 'g', 'parallax'], quantity) AS smallint) AS digit,
       lower, upper, rule, CAST(quantile AS real) AS quantile, CAST(n_training AS bigint) AS n_training
FROM production.boundary_limit
WHERE run_id = :run_id
UNION ALL
SELECT 'tsne_distance_' || perplexity, CAST(8 AS smallint), 0,
       CASE WHEN mode = 'placed' THEN placed_threshold ELSE threshold END, 'quantile', quantile, n_training
FROM production.likeness_map
WHERE run_id = :run_id
UNION ALL
SELECT 'pca_distance', NULL, 0, threshold, 'quantile', quantile, n_training
FROM production.companion
WHERE run_id = :run_id
