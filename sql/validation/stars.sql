-- Purpose: one narrow row a labelled star, with everything that the figures show; NaN where a survey has no value
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits give no reference; galah_snr_min (real) GALAH stars need a larger snr_c3_iraf;
--     logg_sun, numax_sun, teff_sun (double precision) solar values of the seismic log g
-- Returns: source_id; training, inside, unlike booleans; snr S/N of the RVS spectrum; bp_rp, g photometry; the five
--     labels with e*, sigma_* and sigma_*_oof; *_apogee, *_galah, *_gspspec (calibrated), *_gspphot, logg_seismic and *_truth
--     reference values
WITH galah AS (
    SELECT DISTINCT ON (galah.dr3_source_id)
           galah.dr3_source_id AS source_id, galah.teff, galah.logg, galah.fe_h, galah.alpha_fe
    FROM survey.galah_star galah
    JOIN production.ingest_file file ON file.file_id = galah.file_id
    WHERE file.release = :'release'
      AND file.status = 'complete'
      AND galah.flag_sp = 0
      AND galah.flag_guess = 0
      AND galah.flag_fe_h = 0
      AND galah.flag_alpha_fe = 0
      AND galah.snr_c3_iraf > :galah_snr_min
    ORDER BY galah.dr3_source_id, galah.snr_c3_iraf DESC, galah.file_id, galah.row_number
), seismic AS (
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
), truth AS (
    SELECT DISTINCT ON (truth.source_id) truth.*
    FROM survey.mock_truth truth
    JOIN production.ingest_file file ON file.file_id = truth.file_id
    WHERE file.release = :'release'
      AND file.status = 'complete'
    ORDER BY truth.source_id, truth.file_id, truth.row_number
), gspspec AS (
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
)
SELECT star.source_id,
       star.role = 'training' AS training,
       COALESCE(star.flag_bits = 0, FALSE) AS inside,
       COALESCE(star.flag_bits & 128 <> 0, FALSE) AS unlike,
       COALESCE(gaia.rvs_spec_sig_to_noise, 'NaN') AS snr,
       COALESCE(gaia.phot_g_mean_mag, 'NaN') AS g,
       COALESCE(gaia.bp_rp, 'NaN') AS bp_rp,
       star.teff, star.logg, star.mh, star.alpham, star.feh,
       star.eteff, star.elogg, star.emh, star.ealpham, star.efeh,
       star.sigma_teff, star.sigma_logg, star.sigma_mh, star.sigma_alpham, star.sigma_feh,
       COALESCE(star.sigma_teff_oof, 'NaN') AS sigma_teff_oof,
       COALESCE(star.sigma_logg_oof, 'NaN') AS sigma_logg_oof,
       COALESCE(star.sigma_mh_oof, 'NaN') AS sigma_mh_oof,
       COALESCE(star.sigma_alpham_oof, 'NaN') AS sigma_alpham_oof,
       COALESCE(star.sigma_feh_oof, 'NaN') AS sigma_feh_oof,
       COALESCE(apogee.teff, 'NaN') AS teff_apogee,
       COALESCE(apogee.logg, 'NaN') AS logg_apogee,
       COALESCE(apogee.m_h, 'NaN') AS mh_apogee,
       COALESCE(apogee.alpha_m, 'NaN') AS alpham_apogee,
       COALESCE(apogee.fe_h, 'NaN') AS feh_apogee,
       COALESCE(galah.teff, 'NaN') AS teff_galah,
       COALESCE(galah.logg, 'NaN') AS logg_galah,
       COALESCE(galah.alpha_fe, 'NaN') AS alpham_galah,
       COALESCE(galah.fe_h, 'NaN') AS feh_galah,
       COALESCE(gspspec.teff, 'NaN') AS teff_gspspec,
       COALESCE(CAST(gspspec.logg AS real), 'NaN') AS logg_gspspec,
       COALESCE(CAST(gspspec.mh AS real), 'NaN') AS mh_gspspec,
       COALESCE(CAST(gspspec.alpham AS real), 'NaN') AS alpham_gspspec,
       COALESCE(ap.teff_gspphot, 'NaN') AS teff_gspphot,
       COALESCE(ap.logg_gspphot, 'NaN') AS logg_gspphot,
       COALESCE(ap.mh_gspphot, 'NaN') AS mh_gspphot,
       COALESCE(CAST(seismic.logg AS real), 'NaN') AS logg_seismic,
       COALESCE(truth.teff, 'NaN') AS teff_truth,
       COALESCE(truth.logg, 'NaN') AS logg_truth,
       COALESCE(truth.mh, 'NaN') AS mh_truth,
       COALESCE(truth.alpham, 'NaN') AS alpham_truth,
       COALESCE(truth.feh, 'NaN') AS feh_truth
FROM production.labelled_star star
LEFT JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
LEFT JOIN (
    survey.apogee_star apogee
    JOIN production.ingest_file file
      ON file.file_id = apogee.file_id AND file.release = :'release' AND file.status = 'complete'
) ON apogee.file_id = star.apogee_file_id
 AND apogee.row_number = star.apogee_row
 AND COALESCE(apogee.aspcapflag, 0) & :aspcapflag_mask = 0
LEFT JOIN galah ON galah.source_id = star.source_id
LEFT JOIN seismic ON seismic.source_id = star.source_id
LEFT JOIN truth ON truth.source_id = star.source_id
LEFT JOIN gspspec ON gspspec.source_id = star.source_id
LEFT JOIN survey.astrophysical_parameters ap ON ap.release = star.release AND ap.source_id = star.source_id
WHERE star.run_id = :run_id
  AND star.release = :'release'
