-- Purpose: log g of APOGEE DR17, CNN and calibrated GSP-Spec minus seismic log g of K2 giants, in three ranges of
--     seismic log g (Sect. 6.2, Fig. 21)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out; logg_sun (double precision) solar log g; numax_sun (double
--     precision) solar frequency of maximum power, microhertz; teff_sun (double precision) solar Teff, K
-- Returns: subset source, sample and range; label always logg; n stars; bias mean of log g - seismic log g;
--     dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH difference AS (
    SELECT source.number AS source_number, source.name AS source, star.role, range.number, range.name AS range,
           array_agg(source.logg - seismic.logg) AS differences
    FROM production.labelled_star star
    JOIN (
        SELECT release, source_id, production.seismic_logg(numax, teff, :logg_sun, :numax_sun, :teff_sun) AS logg
        FROM production.seismic_reference
    ) AS seismic ON seismic.release = star.release AND seismic.source_id = star.source_id
    LEFT JOIN production.gspspec_reference gspspec
      ON gspspec.release = star.release AND gspspec.source_id = star.source_id AND gspspec.good
    LEFT JOIN production.apogee_reference apogee
      ON apogee.release = star.release AND apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
     AND apogee.aspcapflag & :aspcapflag_mask = 0
    CROSS JOIN LATERAL (VALUES (1, 'APOGEE', apogee.logg), (2, 'CNN', star.logg), (3, 'GSP-Spec', gspspec.logg))
        AS source (number, name, logg)
    CROSS JOIN LATERAL (VALUES
        (1, 'log g < 2.3', seismic.logg < 2.3),
        (2, '2.3 <= log g <= 2.6', seismic.logg BETWEEN 2.3 AND 2.6),
        (3, 'log g > 2.6', seismic.logg > 2.6)
    ) AS range (number, name, member)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND (star.role = 'training' OR star.role = 'observed' AND star.flag_bits = 0)
      AND range.member
    GROUP BY source.number, source.name, star.role, range.number, range.name
)
SELECT source || ', ' || role || ', ' || range AS subset, 'logg' AS label,
       found.n, found.bias, found.dispersion, found.robust_dispersion
FROM difference
CROSS JOIN LATERAL production.moments(differences) AS found
ORDER BY source_number, role DESC, number
