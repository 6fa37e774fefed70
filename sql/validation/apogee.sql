-- Purpose: CNN minus APOGEE DR17 for training and observed stars (paper Sects. 3.3, 4.4 and 4.5; Figs. 7, 15 and 19)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset stars compared; label column of the catalogue; n stars; bias mean of CNN - APOGEE; dispersion its
--     standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH pair AS (
    SELECT star.role, star.flag_bits = 0 AS inside, gaia.rvs_spec_sig_to_noise AS snr,
           star.teff, star.logg, star.mh, star.alpham, star.feh,
           apogee.teff AS teff_apogee, apogee.logg AS logg_apogee, apogee.m_h, apogee.alpha_m, apogee.fe_h
    FROM production.labelled_star star
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    -- One APOGEE row a star: the one that the sample chose among duplicates.
    JOIN survey.apogee_star apogee ON apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    JOIN production.ingest_file file ON file.file_id = apogee.file_id
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND file.release = :'release'
      AND file.status = 'complete'
      AND COALESCE(apogee.aspcapflag, 0) & :aspcapflag_mask = 0
), residual AS (
    SELECT subset.number AS subset_number, subset.name AS subset, label.number AS label_number, label.name AS label,
           label.cnn - label.apogee AS value
    FROM pair
    CROSS JOIN LATERAL (VALUES
        (1, 'training', role = 'training'),
        (2, 'observed', role = 'observed' AND inside),
        (3, 'observed, 15 <= S/N <= 25', role = 'observed' AND inside AND snr BETWEEN 15 AND 25),
        (4, 'observed, metal-poor, 15 < S/N < 25', role = 'observed' AND inside AND snr > 15 AND snr < 25 AND m_h < -1),
        (5, 'outside limits', role = 'observed' AND NOT inside)
    ) AS subset (number, name, member)
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', teff, teff_apogee), (2, 'logg', logg, logg_apogee), (3, 'mh', mh, m_h),
        (4, 'alpham', alpham, alpha_m), (5, 'feh', feh, fe_h)
    ) AS label (number, name, cnn, apogee)
    WHERE subset.member
)
SELECT subset, label, count(*) AS n, avg(value) AS bias, stddev_samp(value) AS dispersion,
       (percentile_cont(0.8413) WITHIN GROUP (ORDER BY value)
        - percentile_cont(0.1587) WITHIN GROUP (ORDER BY value)) / 2 AS robust_dispersion
FROM residual
WHERE value <> 'NaN'
GROUP BY subset_number, subset, label_number, label
ORDER BY subset_number, label_number
