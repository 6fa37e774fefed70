-- Purpose: What other surveys say of a star's labels, as published: no calibration is applied.
-- Parameters: run_id (bigint) run that chose the APOGEE row; release (text) key of the survey rows;
--             source_id (bigint) star.
-- Returns: survey; teff, teff_err (K), logg, logg_err, mh, mh_err, alpham, alpham_err, feh, feh_err (dex).
--          GSP-Spec's errors are half the distance of its confidence limits; its [Fe/H] is [M/H] + [Fe/M].
SELECT survey, teff, teff_err, logg, logg_err, mh, mh_err, alpham, alpham_err, feh, feh_err
FROM (
    SELECT 1 AS place, 'APOGEE' AS survey, a.teff, a.teff_err, a.logg, a.logg_err, a.m_h AS mh, a.m_h_err AS mh_err,
           a.alpha_m AS alpham, a.alpha_m_err AS alpham_err, a.fe_h AS feh, a.fe_h_err AS feh_err
    FROM production.sample_star s
    JOIN survey.apogee_star a ON a.file_id = s.apogee_file_id AND a.row_number = s.apogee_row
    WHERE s.run_id = :run_id AND s.source_id = :source_id
    UNION ALL
    SELECT 2, 'GSP-Spec', teff_gspspec, (teff_gspspec_upper - teff_gspspec_lower) / 2,
           logg_gspspec, (logg_gspspec_upper - logg_gspspec_lower) / 2,
           mh_gspspec, (mh_gspspec_upper - mh_gspspec_lower) / 2,
           alphafe_gspspec, (alphafe_gspspec_upper - alphafe_gspspec_lower) / 2, mh_gspspec + fem_gspspec, NULL
    FROM survey.astrophysical_parameters
    WHERE release = :'release' AND source_id = :source_id AND teff_gspspec IS NOT NULL
    UNION ALL
    SELECT 3, 'GSP-Phot', teff_gspphot, NULL, logg_gspphot, NULL, mh_gspphot, NULL, NULL, NULL, NULL, NULL
    FROM survey.astrophysical_parameters
    WHERE release = :'release' AND source_id = :source_id AND teff_gspphot IS NOT NULL
    UNION ALL
    (SELECT 4, 'GALAH', g.teff, g.e_teff, g.logg, g.e_logg, NULL, NULL, g.alpha_fe, g.e_alpha_fe, g.fe_h, g.e_fe_h
     FROM survey.galah_star g
     JOIN production.ingest_file f ON f.file_id = g.file_id
     WHERE g.dr3_source_id = :source_id AND f.release = :'release' AND f.status = 'complete'
     ORDER BY g.snr_c3_iraf DESC NULLS LAST, g.file_id, g.row_number
     LIMIT 1)
    UNION ALL
    SELECT 5, 'injected', t.teff, NULL, t.logg, NULL, t.mh, NULL, t.alpham, NULL, t.feh, NULL
    FROM survey.mock_truth t
    JOIN production.ingest_file f ON f.file_id = t.file_id
    WHERE t.source_id = :source_id AND f.release = :'release' AND f.status = 'complete'
) AS comparison
ORDER BY place;
