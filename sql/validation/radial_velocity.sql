-- Purpose: do labels depend on how well a spectrum was shifted to rest: CNN minus APOGEE DR17 and calibrated GSP-Spec
--     minus APOGEE in bins of radial_velocity_error (Appendix C, Fig. C.1)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset source, sample and bin; label column of the catalogue; n stars; bias mean difference; dispersion its
--     standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13; source CNN or GSP-Spec;
--     sample training or observed; velocity_error median radial_velocity_error of the bin, km/s
WITH bin (number, low, high, name) AS (
    VALUES (1, 0.0, 0.25, 'below 0.25 km/s'), (2, 0.25, 0.5, '0.25-0.5 km/s'), (3, 0.5, 1.0, '0.5-1 km/s'),
           (4, 1.0, 2.0, '1-2 km/s'), (5, 2.0, 4.0, '2-4 km/s'),
           (6, 4.0, CAST('Infinity' AS double precision), 'above 4 km/s')
), difference AS (
    SELECT source.number AS source_number, source.name AS source, star.role AS sample, bin.number, bin.name AS bin,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY gaia.radial_velocity_error) AS velocity_error,
           array_agg(source.teff - apogee.teff) AS teff, array_agg(source.logg - apogee.logg) AS logg,
           array_agg(source.mh - apogee.mh) AS mh, array_agg(source.alpham - apogee.alpham) AS alpham,
           array_agg(source.feh - apogee.feh) AS feh
    FROM production.labelled_star star
    JOIN production.apogee_reference apogee
      ON apogee.release = star.release AND apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    JOIN bin ON gaia.radial_velocity_error >= bin.low AND gaia.radial_velocity_error < bin.high
    LEFT JOIN production.gspspec_reference gspspec
      ON gspspec.release = star.release AND gspspec.source_id = star.source_id AND gspspec.good
    CROSS JOIN LATERAL (VALUES
        (1, 'CNN', CAST(star.teff AS double precision), CAST(star.logg AS double precision),
         CAST(star.mh AS double precision), CAST(star.alpham AS double precision), star.feh),
        (2, 'GSP-Spec', gspspec.teff, gspspec.logg, gspspec.mh, gspspec.alpham, NULL)
    ) AS source (number, name, teff, logg, mh, alpham, feh)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND apogee.aspcapflag & :aspcapflag_mask = 0
      AND (star.role = 'training' OR star.role = 'observed' AND star.flag_bits = 0)
      AND source.teff IS NOT NULL
    GROUP BY source.number, source.name, star.role, bin.number, bin.name
)
SELECT source || ', ' || sample || ', ' || bin AS subset, label.name AS label, found.*, source, sample, velocity_error
FROM difference
CROSS JOIN LATERAL (VALUES
    (1, 'teff', teff), (2, 'logg', logg), (3, 'mh', mh), (4, 'alpham', alpham), (5, 'feh', feh)
) AS label (number, name, differences)
CROSS JOIN LATERAL production.moments(label.differences) AS found
ORDER BY source_number, sample DESC, label.number, difference.number
