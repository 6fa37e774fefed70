-- Purpose: precision against S/N: CNN minus APOGEE and calibrated GSP-Spec minus APOGEE in S/N bins (Sect. 4.5, Fig.
--     16)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset source, sample and S/N bin; label column of the catalogue; n stars; bias mean difference;
--     dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13; source CNN
--     or GSP-Spec; sample training or observed; snr median S/N of the bin
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
), bin (number, low, high, name) AS (
    VALUES (1, 15, 20, 'S/N 15-20'), (2, 20, 25, 'S/N 20-25'), (3, 25, 30, 'S/N 25-30'), (4, 30, 40, 'S/N 30-40'),
           (5, 40, 50, 'S/N 40-50'), (6, 50, 75, 'S/N 50-75'), (7, 75, 100, 'S/N 75-100'),
           (8, 100, 150, 'S/N 100-150'), (9, 150, CAST('Infinity' AS double precision), 'S/N above 150')
), residual AS (
    SELECT source.number AS source_number, source.name AS source, star.role, gaia.rvs_spec_sig_to_noise AS snr,
           label.number AS label_number, label.name AS label, source.value - label.apogee AS value
    FROM production.labelled_star star
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    JOIN survey.apogee_star apogee ON apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    JOIN production.ingest_file file ON file.file_id = apogee.file_id
    LEFT JOIN gspspec ON gspspec.source_id = star.source_id
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', star.teff, gspspec.teff, apogee.teff), (2, 'logg', star.logg, gspspec.logg, apogee.logg),
        (3, 'mh', star.mh, gspspec.mh, apogee.m_h), (4, 'alpham', star.alpham, gspspec.alpham, apogee.alpha_m),
        (5, 'feh', star.feh, NULL, apogee.fe_h)
    ) AS label (number, name, cnn, gspspec, apogee)
    CROSS JOIN LATERAL (VALUES (1, 'CNN', label.cnn), (2, 'GSP-Spec', label.gspspec)) AS source (number, name, value)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND file.release = :'release'
      AND file.status = 'complete'
      AND COALESCE(apogee.aspcapflag, 0) & :aspcapflag_mask = 0
      AND (star.role = 'training' OR star.role = 'observed' AND star.flag_bits = 0)
)
SELECT source || ', ' || role || ', ' || bin.name AS subset, label,
       count(*) AS n, avg(value) AS bias, stddev_samp(value) AS dispersion,
       (percentile_cont(0.8413) WITHIN GROUP (ORDER BY value)
        - percentile_cont(0.1587) WITHIN GROUP (ORDER BY value)) / 2 AS robust_dispersion,
       source, role AS sample, percentile_cont(0.5) WITHIN GROUP (ORDER BY snr) AS snr
FROM residual
JOIN bin ON snr >= bin.low AND snr < bin.high
WHERE value <> 'NaN'
GROUP BY source_number, source, role, bin.number, bin.name, label_number, label
ORDER BY source_number, role DESC, label_number, bin.number
