-- Purpose: CNN and GSP-Phot minus APOGEE DR17, and GSP-Phot minus CNN, for observed stars inside the limits that have
--     all three (Sect. 6.1, Fig. 20)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset what is subtracted; label column of the catalogue; n stars; bias mean difference; dispersion its
--     standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH pair AS (
    -- GSP-Phot metallicities as published: the paper leaves their calibration out as well.
    SELECT star.teff, star.logg, star.mh, ap.teff_gspphot, ap.logg_gspphot, ap.mh_gspphot,
           apogee.teff AS teff_apogee, apogee.logg AS logg_apogee, apogee.mh AS mh_apogee
    FROM production.labelled_star star
    JOIN survey.astrophysical_parameters ap ON ap.release = star.release AND ap.source_id = star.source_id
    JOIN production.apogee_reference apogee
      ON apogee.release = star.release AND apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.role = 'observed'
      AND star.flag_bits = 0
      AND apogee.aspcapflag & :aspcapflag_mask = 0
      AND ap.teff_gspphot IS NOT NULL AND ap.logg_gspphot IS NOT NULL AND ap.mh_gspphot IS NOT NULL
), difference AS (
    SELECT subset.number AS subset_number, subset.name AS subset, label.number, label.name AS label,
           array_agg(CASE subset.number
                         WHEN 1 THEN label.cnn - label.apogee
                         WHEN 2 THEN label.gspphot - label.apogee
                         ELSE label.gspphot - label.cnn
                     END) AS differences
    FROM pair
    CROSS JOIN (VALUES (1, 'CNN - APOGEE'), (2, 'GSP-Phot - APOGEE'), (3, 'GSP-Phot - CNN')) AS subset (number, name)
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', teff, teff_gspphot, teff_apogee), (2, 'logg', logg, logg_gspphot, logg_apogee),
        (3, 'mh', mh, mh_gspphot, mh_apogee)
    ) AS label (number, name, cnn, gspphot, apogee)
    GROUP BY subset.number, subset.name, label.number, label.name
)
SELECT subset, label, found.n, found.bias, found.dispersion, found.robust_dispersion
FROM difference
CROSS JOIN LATERAL production.moments(differences) AS found
ORDER BY subset_number, number
