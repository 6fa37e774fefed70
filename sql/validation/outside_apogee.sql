-- Purpose: CNN minus APOGEE DR17 for observed stars outside the limits, in the three regions of the Kiel diagram that
--     Sect. 5.3 looks at (Fig. 19)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset region of the CNN labels; label column of the catalogue; n stars; bias mean of CNN - APOGEE;
--     dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH difference AS (
    SELECT region.number, region.name, array_agg(star.teff - apogee.teff) AS teff,
           array_agg(star.logg - apogee.logg) AS logg, array_agg(star.mh - apogee.mh) AS mh,
           array_agg(star.alpham - apogee.alpham) AS alpham, array_agg(star.feh - apogee.feh) AS feh
    FROM production.labelled_star star
    JOIN production.apogee_reference apogee
      ON apogee.release = star.release AND apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    JOIN (VALUES
        (1, 'hot dwarfs', 5700, 7000, 2.0, 4.5),
        (2, 'cool dwarfs', 4000, 5000, 4.5, CAST('Infinity' AS double precision)),
        (3, 'cool giants', 2000, 4800, -2.0, 2.0)
    ) AS region (number, name, teff_low, teff_high, logg_low, logg_high)
      ON star.teff BETWEEN region.teff_low AND region.teff_high
     AND star.logg BETWEEN region.logg_low AND region.logg_high
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.role = 'observed'
      AND star.flag_bits <> 0
      AND apogee.aspcapflag & :aspcapflag_mask = 0
    GROUP BY region.number, region.name
)
SELECT difference.name AS subset, label.name AS label, found.*
FROM difference
CROSS JOIN LATERAL (VALUES
    (1, 'teff', teff), (2, 'logg', logg), (3, 'mh', mh), (4, 'alpham', alpham), (5, 'feh', feh)
) AS label (number, name, differences)
CROSS JOIN LATERAL production.moments(label.differences) AS found
ORDER BY difference.number, label.number
