-- Purpose: calibrated GSP-Spec minus APOGEE DR17, and CNN minus calibrated GSP-Spec, good GSP-Spec flags only (Sect.
--     3.3, Fig. 7)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset what is subtracted, and for which stars; label column of the catalogue; n stars; bias mean
--     difference; dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH difference AS (
    SELECT star.role,
           array_agg(gspspec.teff - apogee.teff) AS teff_apogee, array_agg(gspspec.logg - apogee.logg) AS logg_apogee,
           array_agg(gspspec.mh - apogee.mh) AS mh_apogee, array_agg(gspspec.alpham - apogee.alpham) AS alpham_apogee,
           array_agg(star.teff - gspspec.teff) AS teff_cnn, array_agg(star.logg - gspspec.logg) AS logg_cnn,
           array_agg(star.mh - gspspec.mh) AS mh_cnn, array_agg(star.alpham - gspspec.alpham) AS alpham_cnn
    FROM production.labelled_star star
    JOIN production.gspspec_reference gspspec ON gspspec.release = star.release AND gspspec.source_id = star.source_id
    LEFT JOIN production.apogee_reference apogee
      ON apogee.release = star.release AND apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
     AND apogee.aspcapflag & :aspcapflag_mask = 0
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND gspspec.good
      AND (star.role = 'training' OR star.role = 'observed' AND star.flag_bits = 0)
    GROUP BY star.role
)
SELECT pair.subset || ', ' || role AS subset, pair.label, found.n, found.bias, found.dispersion, found.robust_dispersion
FROM difference
CROSS JOIN LATERAL (VALUES
    (1, 'GSP-Spec - APOGEE', 1, 'teff', teff_apogee), (1, 'GSP-Spec - APOGEE', 2, 'logg', logg_apogee),
    (1, 'GSP-Spec - APOGEE', 3, 'mh', mh_apogee), (1, 'GSP-Spec - APOGEE', 4, 'alpham', alpham_apogee),
    (2, 'CNN - GSP-Spec', 1, 'teff', teff_cnn), (2, 'CNN - GSP-Spec', 2, 'logg', logg_cnn),
    (2, 'CNN - GSP-Spec', 3, 'mh', mh_cnn), (2, 'CNN - GSP-Spec', 4, 'alpham', alpham_cnn)
) AS pair (number, subset, label_number, label, differences)
CROSS JOIN LATERAL production.moments(pair.differences) AS found
ORDER BY pair.number, role DESC, pair.label_number
