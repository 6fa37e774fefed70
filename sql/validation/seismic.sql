-- Purpose: log g of APOGEE DR17, CNN and calibrated GSP-Spec minus seismic log g of K2 giants, in three ranges of
--     seismic log g (Sect. 6.2, Fig. 21)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out; logg_sun (double precision) solar log g; numax_sun (double
--     precision) solar frequency of maximum power, microhertz; teff_sun (double precision) solar Teff, K
-- Returns: subset source, sample and range; label always logg; n stars; bias mean of log g - seismic log g;
--     dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH seismic AS (
    -- One K2 row a star; log g by Eq. (3) of Valentini et al. (2019) from numax and Teff of the K2 table.
    SELECT DISTINCT ON (found.source_id) found.source_id,
           CAST(:logg_sun AS double precision)
               + log(CAST(k2.numax AS double precision) / CAST(:numax_sun AS double precision))
               + 0.5 * log(CAST(k2.teff AS double precision) / CAST(:teff_sun AS double precision)) AS logg
    FROM survey.k2gap_star k2
    JOIN production.ingest_file file ON file.file_id = k2.file_id
    LEFT JOIN production.k2gap_match match ON match.file_id = k2.file_id AND match.row_number = k2.row_number
    -- The catalogue's Gaia id, else the one that was found by position.
    CROSS JOIN LATERAL (SELECT COALESCE(k2.gaia_source, match.source_id)) AS found (source_id)
    WHERE file.release = :'release'
      AND file.status = 'complete'
      AND k2.numax > 0 AND k2.numax < 'Infinity'
      AND k2.teff > 0 AND k2.teff < 'Infinity'
      AND found.source_id IS NOT NULL
    ORDER BY found.source_id, k2.numax_err / k2.numax NULLS LAST, k2.file_id, k2.row_number
), gspspec AS (
    -- Calibration of Recio-Blanco et al. (2023), Table 3: a polynomial in the uncalibrated log g.
    SELECT ap.source_id,
           x + 0.4496 - 0.0036 * x - 0.0224 * x ^ 2 AS logg
    FROM survey.astrophysical_parameters ap
    CROSS JOIN LATERAL (SELECT CAST(ap.logg_gspspec AS double precision)) AS uncalibrated (x)
    WHERE ap.release = :'release'
      AND left(ap.flags_gspspec, 13) = '0000000000000'
), residual AS (
    SELECT source.number AS source_number, source.name AS source, star.role, seismic.logg AS logg_seismic,
           source.logg - seismic.logg AS value
    FROM production.labelled_star star
    JOIN seismic USING (source_id)
    LEFT JOIN gspspec USING (source_id)
    LEFT JOIN (
        survey.apogee_star apogee
        JOIN production.ingest_file file
          ON file.file_id = apogee.file_id AND file.release = :'release' AND file.status = 'complete'
    ) ON apogee.file_id = star.apogee_file_id
     AND apogee.row_number = star.apogee_row
     AND COALESCE(apogee.aspcapflag, 0) & :aspcapflag_mask = 0
    CROSS JOIN LATERAL (VALUES (1, 'APOGEE', apogee.logg), (2, 'CNN', star.logg), (3, 'GSP-Spec', gspspec.logg))
        AS source (number, name, logg)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND (star.role = 'training' OR star.role = 'observed' AND star.flag_bits = 0)
)
SELECT source || ', ' || role || ', ' || range.name AS subset, 'logg' AS label,
       count(*) AS n, avg(value) AS bias, stddev_samp(value) AS dispersion,
       (percentile_cont(0.8413) WITHIN GROUP (ORDER BY value)
        - percentile_cont(0.1587) WITHIN GROUP (ORDER BY value)) / 2 AS robust_dispersion
FROM residual
JOIN (VALUES
    (1, 'log g < 2.3', CAST('-Infinity' AS double precision), 2.3),
    (2, '2.3 <= log g <= 2.6', 2.3, 2.6),
    (3, 'log g > 2.6', 2.6, 'Infinity')
) AS range (number, name, low, high)
  ON CASE range.number
         WHEN 1 THEN logg_seismic < high
         WHEN 2 THEN logg_seismic BETWEEN low AND high
         ELSE logg_seismic > low
     END
WHERE value <> 'NaN'
GROUP BY source_number, source, role, range.number, range.name
ORDER BY source_number, role DESC, range.number
