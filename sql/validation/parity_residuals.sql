-- Purpose: residuals that the paper states for a part of the labels' range: CNN - APOGEE at the edges of the training
--     sample, outliers of GSP-Spec (Sect. 3.3, Fig. 7), metal-poor stars of GSP-Phot (Sect. 6.1, Fig. 20), cool dwarfs and
--     cool giants outside the limits (Sect. 5.3, Fig. 19)
-- Parameters: run_id (bigint) run with labels; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars
--     with any of these ASPCAPFLAG bits are left out
-- Returns: name what is compared, and where; value mean difference, the largest one, or (cool dwarfs) the median
--     parallax in mas, null where there are no such stars
WITH star AS (
    SELECT label.role = 'training' AS training, label.role = 'observed' AND label.flag_bits = 0 AS inside,
           label.role = 'observed' AND label.flag_bits <> 0 AND label.teff BETWEEN 4000 AND 5000
               AND label.logg >= 4.5 AS cool_dwarf,
           label.role = 'observed' AND label.flag_bits <> 0 AND label.teff BETWEEN 2000 AND 4800
               AND label.logg BETWEEN -2 AND 2 AS cool_giant,
           label.teff, label.mh, label.alpham, gaia.parallax, apogee.teff AS teff_apogee, apogee.logg AS logg_apogee,
           apogee.mh AS mh_apogee, apogee.alpham AS alpham_apogee,
           gspspec.teff AS teff_gspspec, gspspec.logg AS logg_gspspec, ap.mh_gspphot
    FROM production.labelled_star AS label
    JOIN production.apogee_reference AS apogee
      ON apogee.file_id = label.apogee_file_id
     AND apogee.row_number = label.apogee_row
     AND apogee.release = label.release
     AND apogee.aspcapflag & :aspcapflag_mask = 0
    JOIN survey.gaia_source AS gaia ON gaia.release = label.release AND gaia.source_id = label.source_id
    LEFT JOIN production.gspspec_reference AS gspspec
      ON gspspec.release = label.release AND gspspec.source_id = label.source_id AND gspspec.good
    LEFT JOIN survey.astrophysical_parameters AS ap ON ap.release = label.release AND ap.source_id = label.source_id
    WHERE label.run_id = :run_id
      AND label.release = :'release'
), told AS (
    SELECT avg(teff - teff_apogee) FILTER (WHERE training AND teff_apogee > 6200 AND teff_apogee <> 'NaN') AS teff_hot,
           avg(alpham - alpham_apogee)
               FILTER (WHERE training AND alpham_apogee > 0.35 AND alpham_apogee <> 'NaN') AS alpham_high,
           avg(mh - mh_apogee) FILTER (WHERE training AND mh_apogee > -0.5 AND mh_apogee <> 'NaN') AS mh_rich,
           avg(mh - mh_apogee) FILTER (WHERE training AND mh_apogee < -2) AS mh_poor,
           max(abs(teff_gspspec - teff_apogee))
               FILTER (WHERE training AND teff_gspspec <> 'NaN' AND teff_apogee <> 'NaN') AS gspspec_teff_largest,
           max(abs(logg_gspspec - logg_apogee))
               FILTER (WHERE training AND logg_gspspec <> 'NaN' AND logg_apogee <> 'NaN') AS gspspec_logg_largest,
           max(abs(mh_gspphot - mh_apogee)) FILTER (WHERE inside AND mh_apogee < -0.8) AS gspphot_mh_poor,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY parallax) FILTER (WHERE cool_dwarf) AS cool_dwarfs_parallax,
           max(teff - teff_apogee) FILTER (WHERE cool_giant AND teff_apogee <> 'NaN') AS cool_giants_teff,
           max(mh - mh_apogee) FILTER (WHERE cool_giant AND mh_apogee <> 'NaN') AS cool_giants_mh
    FROM star
)
SELECT name, CAST(value AS double precision) AS value
FROM told
CROSS JOIN LATERAL (VALUES
    ('teff_hot', teff_hot),
    ('alpham_high', alpham_high),
    ('mh_rich', mh_rich),
    ('mh_poor', mh_poor),
    ('gspspec_teff_largest', gspspec_teff_largest),
    ('gspspec_logg_largest', gspspec_logg_largest),
    ('gspphot_mh_poor', gspphot_mh_poor),
    ('cool_dwarfs_parallax', cool_dwarfs_parallax),
    ('cool_giants_teff', cool_giants_teff),
    ('cool_giants_mh', cool_giants_mh)
) AS row (name, value)
