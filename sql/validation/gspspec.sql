-- Purpose: calibrated GSP-Spec minus APOGEE DR17, and CNN minus calibrated GSP-Spec, good GSP-Spec flags only (Sect.
--     3.3, Fig. 7)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset what is subtracted, and for which stars; label column of the catalogue; n stars; bias mean
--     difference; dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH gspspec AS (
    -- Calibration of Recio-Blanco et al. (2023), Tables 3 and 4: polynomials in the uncalibrated log g.
    SELECT ap.source_id, ap.teff_gspspec AS teff,
           x + 0.4496 - 0.0036 * x - 0.0224 * x ^ 2 AS logg,
           ap.mh_gspspec + 0.2740 - 0.1373 * x - 0.0050 * x ^ 2 + 0.0048 * x ^ 3 AS mh,
           ap.alphafe_gspspec + CASE
               WHEN substr(ap.flags_gspspec, 8, 1) = '0' AND ap.logg_gspspec BETWEEN CAST(1.01 AS real) AND CAST(4.85 AS real)
               THEN -0.5809 + 0.7018 * x - 0.2402 * x ^ 2 + 0.0239 * x ^ 3
               WHEN substr(ap.flags_gspspec, 8, 1) <= '1' AND ap.logg_gspspec BETWEEN CAST(0.84 AS real) AND CAST(4.44 AS real)
               THEN -0.2838 + 0.3713 * x - 0.1236 * x ^ 2 + 0.0106 * x ^ 3 + 0.0002 * x ^ 4
           END AS alpham
    FROM survey.astrophysical_parameters ap
    CROSS JOIN LATERAL (SELECT CAST(ap.logg_gspspec AS double precision)) AS uncalibrated (x)
    WHERE ap.release = :'release'
      AND left(ap.flags_gspspec, 13) = '0000000000000'
), star AS (
    SELECT star.role, star.flag_bits = 0 AS inside, star.teff, star.logg, star.mh, star.alpham,
           gspspec.teff AS teff_gspspec, gspspec.logg AS logg_gspspec,
           gspspec.mh AS mh_gspspec, gspspec.alpham AS alpham_gspspec,
           apogee.teff AS teff_apogee, apogee.logg AS logg_apogee, apogee.m_h, apogee.alpha_m
    FROM production.labelled_star star
    JOIN gspspec USING (source_id)
    LEFT JOIN (
        survey.apogee_star apogee
        JOIN production.ingest_file file
          ON file.file_id = apogee.file_id AND file.release = :'release' AND file.status = 'complete'
    ) ON apogee.file_id = star.apogee_file_id
     AND apogee.row_number = star.apogee_row
     AND COALESCE(apogee.aspcapflag, 0) & :aspcapflag_mask = 0
    WHERE star.run_id = :run_id
      AND star.release = :'release'
), residual AS (
    SELECT subset.number AS subset_number, subset.name AS subset, label.number AS label_number, label.name AS label,
           CASE WHEN subset.number <= 2 THEN label.gspspec - label.apogee ELSE label.cnn - label.gspspec END AS value
    FROM star
    CROSS JOIN LATERAL (VALUES
        (1, 'GSP-Spec - APOGEE, training', role = 'training'),
        (2, 'GSP-Spec - APOGEE, observed', role = 'observed' AND inside),
        (3, 'CNN - GSP-Spec, training', role = 'training'),
        (4, 'CNN - GSP-Spec, observed', role = 'observed' AND inside)
    ) AS subset (number, name, member)
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', teff, teff_gspspec, teff_apogee), (2, 'logg', logg, logg_gspspec, logg_apogee),
        (3, 'mh', mh, mh_gspspec, m_h), (4, 'alpham', alpham, alpham_gspspec, alpha_m)
    ) AS label (number, name, cnn, gspspec, apogee)
    WHERE subset.member
)
SELECT subset, label, count(*) AS n, avg(value) AS bias, stddev_samp(value) AS dispersion,
       (percentile_cont(0.8413) WITHIN GROUP (ORDER BY value)
        - percentile_cont(0.1587) WITHIN GROUP (ORDER BY value)) / 2 AS robust_dispersion
FROM residual
WHERE value <> 'NaN'
GROUP BY subset_number, subset, label_number, label
ORDER BY subset_number, label_number
