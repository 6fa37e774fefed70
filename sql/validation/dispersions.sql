-- Purpose: size of the uncertainties: medians of the model-to-model dispersions e* and of the overall sigma_* (Sects.
--     3.4 and 4.2; Figs. 8 and 13)
-- Parameters: run_id (bigint) run
-- Returns: subset kind of uncertainty and sample; label column of the catalogue; n stars; bias always null;
--     dispersion median uncertainty; robust_dispersion half the width of its distribution from percentile 15.87 to
--     84.13
WITH sample AS (
    SELECT CASE WHEN star.role = 'training' THEN 'training' WHEN star.flag_bits = 0 THEN 'observed' ELSE 'outside limits' END AS name,
           count(*) AS n,
           percentile_cont(ARRAY[0.1587, 0.5, 0.8413]) WITHIN GROUP (ORDER BY eteff) AS eteff,
           percentile_cont(ARRAY[0.1587, 0.5, 0.8413]) WITHIN GROUP (ORDER BY elogg) AS elogg,
           percentile_cont(ARRAY[0.1587, 0.5, 0.8413]) WITHIN GROUP (ORDER BY emh) AS emh,
           percentile_cont(ARRAY[0.1587, 0.5, 0.8413]) WITHIN GROUP (ORDER BY ealpham) AS ealpham,
           percentile_cont(ARRAY[0.1587, 0.5, 0.8413]) WITHIN GROUP (ORDER BY efeh) AS efeh,
           percentile_cont(ARRAY[0.1587, 0.5, 0.8413]) WITHIN GROUP (ORDER BY sigma_teff) AS sigma_teff,
           percentile_cont(ARRAY[0.1587, 0.5, 0.8413]) WITHIN GROUP (ORDER BY sigma_logg) AS sigma_logg,
           percentile_cont(ARRAY[0.1587, 0.5, 0.8413]) WITHIN GROUP (ORDER BY sigma_mh) AS sigma_mh,
           percentile_cont(ARRAY[0.1587, 0.5, 0.8413]) WITHIN GROUP (ORDER BY sigma_alpham) AS sigma_alpham,
           percentile_cont(ARRAY[0.1587, 0.5, 0.8413]) WITHIN GROUP (ORDER BY sigma_feh) AS sigma_feh
    FROM production.labelled_star star
    WHERE star.run_id = :run_id
    GROUP BY 1
)
SELECT kind || ', ' || sample.name AS subset, label, n, CAST(NULL AS double precision) AS bias,
       quantiles[2] AS dispersion, (quantiles[3] - quantiles[1]) / 2 AS robust_dispersion
FROM sample
CROSS JOIN LATERAL (VALUES
    (1, 'model-to-model', 1, 'teff', eteff), (1, 'model-to-model', 2, 'logg', elogg), (1, 'model-to-model', 3, 'mh', emh),
    (1, 'model-to-model', 4, 'alpham', ealpham), (1, 'model-to-model', 5, 'feh', efeh),
    (2, 'overall', 1, 'teff', sigma_teff), (2, 'overall', 2, 'logg', sigma_logg), (2, 'overall', 3, 'mh', sigma_mh),
    (2, 'overall', 4, 'alpham', sigma_alpham), (2, 'overall', 5, 'feh', sigma_feh)
) AS uncertainty (kind_number, kind, label_number, label, quantiles)
ORDER BY kind_number, array_position(ARRAY['training', 'observed', 'outside limits'], sample.name), label_number
