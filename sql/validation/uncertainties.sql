-- Purpose: are the uncertainties right? Residuals CNN - APOGEE in units of sigma, and the fraction within 1 and 2
--     sigma (Sect. 3.4)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset training or observed inside the limits; label column of the catalogue; n stars; bias mean of (CNN -
--     APOGEE)/sigma; dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to
--     84.13; within_1 fraction of stars within 1 sigma; within_2 fraction within 2 sigma
WITH residual AS (
    SELECT star.role AS subset, label.number AS label_number, label.name AS label,
           (label.cnn - label.apogee) / NULLIF(label.sigma, 0) AS value
    FROM production.labelled_star star
    JOIN survey.apogee_star apogee ON apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    JOIN production.ingest_file file ON file.file_id = apogee.file_id
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', star.teff, apogee.teff, star.sigma_teff), (2, 'logg', star.logg, apogee.logg, star.sigma_logg),
        (3, 'mh', star.mh, apogee.m_h, star.sigma_mh), (4, 'alpham', star.alpham, apogee.alpha_m, star.sigma_alpham),
        (5, 'feh', star.feh, apogee.fe_h, star.sigma_feh)
    ) AS label (number, name, cnn, apogee, sigma)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND file.release = :'release'
      AND file.status = 'complete'
      AND COALESCE(apogee.aspcapflag, 0) & :aspcapflag_mask = 0
      AND (star.role = 'training' OR star.role = 'observed' AND star.flag_bits = 0)
)
SELECT subset, label, count(*) AS n, avg(value) AS bias, stddev_samp(value) AS dispersion,
       (percentile_cont(0.8413) WITHIN GROUP (ORDER BY value)
        - percentile_cont(0.1587) WITHIN GROUP (ORDER BY value)) / 2 AS robust_dispersion,
       avg(CASE WHEN abs(value) <= 1 THEN 1.0 ELSE 0.0 END) AS within_1,
       avg(CASE WHEN abs(value) <= 2 THEN 1.0 ELSE 0.0 END) AS within_2
FROM residual
WHERE value <> 'NaN'
GROUP BY subset, label_number, label
ORDER BY subset DESC, label_number
