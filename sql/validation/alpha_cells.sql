-- Purpose: [alpha/M] of observed stars inside the limits in cells of the Kiel diagram (Sect. 4.3, Fig. 14)
-- Parameters: run_id (bigint) run
-- Returns: subset cell of 500 K in Teff and 1 dex in log g; label always alpham; n stars; bias always null; dispersion
--     standard deviation of [alpha/M]; robust_dispersion half its width from percentile 15.87 to 84.13; mean mean
--     [alpha/M]; mean_mh mean [M/H]; correlation of [alpha/M] with [M/H]; high_alpha share of stars above +0.15, where
--     Sect. 7 parts the sequences; teff_low, logg_low lower corner of the cell
SELECT teff_low || '-' || teff_low + 500 || ' K, log g ' || logg_low || '-' || logg_low + 1 AS subset, 'alpham' AS label,
       count(*) AS n, CAST(NULL AS double precision) AS bias,
       stddev_samp(alpham) AS dispersion,
       (percentile_cont(0.8413) WITHIN GROUP (ORDER BY alpham)
        - percentile_cont(0.1587) WITHIN GROUP (ORDER BY alpham)) / 2 AS robust_dispersion,
       avg(alpham) AS mean, avg(mh) AS mean_mh, corr(alpham, mh) AS correlation,
       CAST(avg(CASE WHEN alpham > 0.15 THEN 1.0 ELSE 0.0 END) AS double precision) AS high_alpha, teff_low, logg_low
FROM production.labelled_star star
CROSS JOIN LATERAL (SELECT CAST(500 * floor(star.teff / 500) AS integer), CAST(floor(star.logg) AS integer))
    AS cell (teff_low, logg_low)
WHERE star.run_id = :run_id
  AND star.role = 'observed'
  AND star.flag_bits = 0
  AND star.alpham <> 'NaN' AND star.mh <> 'NaN'
GROUP BY teff_low, logg_low
ORDER BY logg_low, teff_low DESC
