-- Purpose: are the uncertainties right? Residuals CNN - APOGEE in units of sigma, and the fraction within 1 and 2
--     sigma (Sect. 3.4)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset training or observed inside the limits; label column of the catalogue; n stars; bias mean of (CNN -
--     APOGEE)/sigma; dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to
--     84.13; within_1 fraction of stars within 1 sigma; within_2 fraction within 2 sigma
WITH residual AS (
    SELECT star.role AS subset, label.number, label.name AS label,
           (label.cnn - label.apogee) / NULLIF(label.sigma, 0) AS value
    FROM production.labelled_star star
    JOIN production.apogee_reference apogee
      ON apogee.release = star.release AND apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', star.teff, apogee.teff, star.sigma_teff), (2, 'logg', star.logg, apogee.logg, star.sigma_logg),
        (3, 'mh', star.mh, apogee.mh, star.sigma_mh), (4, 'alpham', star.alpham, apogee.alpham, star.sigma_alpham),
        (5, 'feh', star.feh, apogee.feh, star.sigma_feh)
    ) AS label (number, name, cnn, apogee, sigma)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND apogee.aspcapflag & :aspcapflag_mask = 0
      AND (star.role = 'training' OR star.role = 'observed' AND star.flag_bits = 0)
), pull AS (
    SELECT subset, number, label, array_agg(value) AS pulls,
           avg(CAST(abs(value) <= 1 AS integer)) AS within_1, avg(CAST(abs(value) <= 2 AS integer)) AS within_2
    FROM residual
    WHERE value <> 'NaN'
    GROUP BY subset, number, label
)
SELECT subset, label, found.n, found.bias, found.dispersion, found.robust_dispersion, within_1, within_2
FROM pull
CROSS JOIN LATERAL production.moments(pulls) AS found
ORDER BY subset DESC, number
