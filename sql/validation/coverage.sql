-- Purpose: coverage: the fractions of |CNN - APOGEE| within 1 and 2 sigma, for the paper's sigma and the calibrated one,
--     in regions of the Kiel diagram and ranges of S/N (Sects. 3.4 and 4.2; 68.3 and 95.4 per cent are right)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset sample and part of it; label column of the catalogue; n stars; bias mean of (CNN - APOGEE)/sigma_oof;
--     dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13; within_1,
--     within_2 fractions within 1 and 2 of the paper's sigma; calibrated_1, calibrated_2 of sigma_oof, null without it;
--     sample training, all members (as published, optimistic: most members have seen the stars), training, out of fold
--     (labels by the members that have not, sigma_oof calibrated on other stars) or observed (inside the limits); part
--     all, region or range of S/N; part_number its place in a list
WITH star AS (
    SELECT star.*, gaia.rvs_spec_sig_to_noise AS snr
    FROM production.labelled_star star
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND (star.role = 'training' OR star.role = 'observed' AND star.flag_bits = 0)
      AND star.apogee_file_id IS NOT NULL
), judged AS (
    SELECT CASE star.role WHEN 'training' THEN 1 ELSE 3 END AS sample_number,
           CASE star.role WHEN 'training' THEN 'training, all members' ELSE 'observed' END AS sample,
           star.teff, star.logg, star.mh, star.snr, label.number, label.name,
           label.cnn - label.apogee AS residual, label.sigma, label.calibrated
    FROM star
    JOIN production.apogee_reference apogee
      ON apogee.release = star.release AND apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', star.teff, apogee.teff, star.sigma_teff, star.sigma_teff_oof),
        (2, 'logg', star.logg, apogee.logg, star.sigma_logg, star.sigma_logg_oof),
        (3, 'mh', star.mh, apogee.mh, star.sigma_mh, star.sigma_mh_oof),
        (4, 'alpham', star.alpham, apogee.alpham, star.sigma_alpham, star.sigma_alpham_oof),
        (5, 'feh', star.feh, apogee.feh, star.sigma_feh, star.sigma_feh_oof)
    ) AS label (number, name, cnn, apogee, sigma, calibrated)
    WHERE apogee.aspcapflag & :aspcapflag_mask = 0
    UNION ALL
    SELECT 2, 'training, out of fold', unseen.teff, unseen.logg, unseen.mh, star.snr, label.number, label.name,
           label.residual, label.sigma, label.calibrated
    FROM star
    JOIN production.training_residual unseen USING (ensemble_id, source_id)
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', unseen.residual_teff, star.sigma_teff, unseen.sigma_teff_oof),
        (2, 'logg', unseen.residual_logg, star.sigma_logg, unseen.sigma_logg_oof),
        (3, 'mh', unseen.residual_mh, star.sigma_mh, unseen.sigma_mh_oof),
        (4, 'alpham', unseen.residual_alpham, star.sigma_alpham, unseen.sigma_alpham_oof),
        (5, 'feh', unseen.residual_feh, star.sigma_feh, unseen.sigma_feh_oof)
    ) AS label (number, name, residual, sigma, calibrated)
    WHERE star.role = 'training'
), placed AS (
    -- Each star lies in one region and one range of S/N.
    SELECT sample_number, sample, number, name, abs(residual) AS size, sigma, calibrated,
           residual / NULLIF(calibrated, 0) AS pull,
           CASE WHEN logg >= 4.0 AND teff < 5300 THEN 1
                WHEN logg >= 4.0 THEN 2
                WHEN logg >= 3.5 THEN 3
                WHEN mh < -1 THEN 7
                WHEN logg >= 2.6 THEN 4
                WHEN logg >= 2.3 AND teff >= 4400 THEN 5
                ELSE 6 END AS region,
           CASE WHEN snr < 25 THEN 8 WHEN snr < 35 THEN 9 WHEN snr < 75 THEN 10 WHEN snr >= 75 THEN 11 ELSE -1 END AS snr_range
    FROM judged
    WHERE residual <> 'NaN'
), counted AS (
    SELECT sample_number, sample, number, name, COALESCE(region, snr_range, 0) AS part_number, count(*) AS n,
           avg(pull) AS bias, stddev_samp(pull) AS dispersion,
           percentile_cont(ARRAY[0.1587, 0.8413]) WITHIN GROUP (ORDER BY pull) AS quantiles,
           avg(CAST(size <= sigma AS integer)) AS within_1, avg(CAST(size <= 2 * sigma AS integer)) AS within_2,
           avg(CAST(size <= calibrated AS integer)) AS calibrated_1,
           avg(CAST(size <= 2 * calibrated AS integer)) AS calibrated_2
    FROM placed
    GROUP BY GROUPING SETS (
        (sample_number, sample, number, name),
        (sample_number, sample, number, name, region),
        (sample_number, sample, number, name, snr_range)
    )
)
SELECT CASE part_number WHEN 0 THEN sample ELSE sample || ', ' || part.name END AS subset, counted.name AS label, n, bias,
       dispersion, (quantiles[2] - quantiles[1]) / 2 AS robust_dispersion, within_1, within_2, calibrated_1, calibrated_2,
       sample, part.name AS part, part_number
FROM counted
JOIN (VALUES
    (0, 'all'), (1, 'cool dwarfs'), (2, 'hot dwarfs'), (3, 'subgiants'), (4, 'lower RGB'), (5, 'red clump'),
    (6, 'upper RGB'), (7, 'metal-poor giants'), (8, 'S/N below 25'), (9, 'S/N 25-35'), (10, 'S/N 35-75'),
    (11, 'S/N above 75')
) AS part (number, name) ON part.number = part_number
ORDER BY sample_number, part_number, counted.number
