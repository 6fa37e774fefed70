-- Purpose: closure test on a synthetic sky: recovered minus injected labels, by sample and by S/N
-- Parameters: run_id (bigint) run; release (text) key of the survey rows
-- Returns: subset stars compared; label column of the catalogue; n stars; bias mean of CNN - truth; dispersion its
--     standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH star AS (
    SELECT CASE WHEN star.role = 'training' THEN 1 WHEN star.flag_bits = 0 THEN 2 ELSE 3 END AS sample,
           -- Only good stars are told apart by S/N.
           CASE WHEN star.role = 'observed' AND star.flag_bits = 0
                THEN width_bucket(gaia.rvs_spec_sig_to_noise, CAST(ARRAY[15, 25, 35, 75] AS real[])) END AS snr_range,
           star.teff - truth.teff AS teff, star.logg - truth.logg AS logg, star.mh - truth.mh AS mh,
           star.alpham - truth.alpham AS alpham, star.feh - truth.feh AS feh
    FROM production.labelled_star star
    JOIN survey.true_star truth ON truth.release = star.release AND truth.source_id = star.source_id
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND (star.role = 'training' OR star.role = 'observed' AND star.flag_bits IS NOT NULL)
), difference AS (
    SELECT sample, snr_range, GROUPING(snr_range) = 1 AS whole, array_agg(teff) AS teff, array_agg(logg) AS logg,
           array_agg(mh) AS mh, array_agg(alpham) AS alpham, array_agg(feh) AS feh
    FROM star
    GROUP BY GROUPING SETS ((sample), (sample, snr_range))
)
SELECT subset.name AS subset, label.name AS label, found.n, found.bias, found.dispersion, found.robust_dispersion
FROM difference
JOIN (VALUES
    (1, 1, NULL, 'training'), (2, 2, NULL, 'observed'), (3, 2, 0, 'observed, S/N below 15'), (4, 2, 1, 'observed, S/N 15-25'),
    (5, 2, 2, 'observed, S/N 25-35'), (6, 2, 3, 'observed, S/N 35-75'), (7, 2, 4, 'observed, S/N above 75'),
    (8, 3, NULL, 'outside limits')
) AS subset (number, sample, snr_range, name)
  ON subset.sample = difference.sample
 AND (difference.whole AND subset.snr_range IS NULL OR subset.snr_range = difference.snr_range)
CROSS JOIN LATERAL (VALUES (1, 'teff', teff), (2, 'logg', logg), (3, 'mh', mh), (4, 'alpham', alpham), (5, 'feh', feh))
    AS label (number, name, differences)
CROSS JOIN LATERAL production.moments(label.differences) AS found
ORDER BY subset.number, label.number
