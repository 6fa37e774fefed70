-- Purpose: CNN and GSP-Phot minus APOGEE DR17, and GSP-Phot minus CNN, for observed stars inside the limits that have
--     all three (Sect. 6.1, Fig. 20)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset what is subtracted; label column of the catalogue; n stars; bias mean difference; dispersion its
--     standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH star AS (
    -- GSP-Phot metallicities as published: the paper leaves their calibration out as well.
    SELECT star.teff, star.logg, star.mh, ap.teff_gspphot, ap.logg_gspphot, ap.mh_gspphot,
           apogee.teff AS teff_apogee, apogee.logg AS logg_apogee, apogee.m_h
    FROM production.labelled_star star
    JOIN survey.astrophysical_parameters ap ON ap.release = star.release AND ap.source_id = star.source_id
    JOIN survey.apogee_star apogee ON apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    JOIN production.ingest_file file ON file.file_id = apogee.file_id
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.role = 'observed'
      AND star.flag_bits = 0
      AND file.release = :'release'
      AND file.status = 'complete'
      AND COALESCE(apogee.aspcapflag, 0) & :aspcapflag_mask = 0
      AND ap.teff_gspphot IS NOT NULL AND ap.logg_gspphot IS NOT NULL AND ap.mh_gspphot IS NOT NULL
), residual AS (
    SELECT subset.number AS subset_number, subset.name AS subset, label.number AS label_number, label.name AS label,
           CASE subset.number
               WHEN 1 THEN label.cnn - label.apogee
               WHEN 2 THEN label.gspphot - label.apogee
               ELSE label.gspphot - label.cnn
           END AS value
    FROM star
    CROSS JOIN (VALUES (1, 'CNN - APOGEE'), (2, 'GSP-Phot - APOGEE'), (3, 'GSP-Phot - CNN')) AS subset (number, name)
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', teff, teff_gspphot, teff_apogee), (2, 'logg', logg, logg_gspphot, logg_apogee),
        (3, 'mh', mh, mh_gspphot, m_h)
    ) AS label (number, name, cnn, gspphot, apogee)
)
SELECT subset, label, count(*) AS n, avg(value) AS bias, stddev_samp(value) AS dispersion,
       (percentile_cont(0.8413) WITHIN GROUP (ORDER BY value)
        - percentile_cont(0.1587) WITHIN GROUP (ORDER BY value)) / 2 AS robust_dispersion
FROM residual
WHERE value <> 'NaN'
GROUP BY subset_number, subset, label_number, label
ORDER BY subset_number, label_number
