-- Purpose: one narrow row a labelled star, with everything that the figures show; NaN where a survey has no value
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits give no reference; galah_snr_min (real) GALAH stars need a larger snr_c3_iraf;
--     logg_sun, numax_sun, teff_sun (double precision) solar values of the seismic log g
-- Returns: source_id; training, inside, unlike booleans; snr S/N of the RVS spectrum; bp_rp, g photometry; the five
--     labels with e*, sigma_* and sigma_*_oof; *_apogee, *_galah, *_gspspec (calibrated), *_gspphot, logg_seismic and *_truth
--     reference values
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
       COALESCE(apogee.mh, 'NaN') AS mh_apogee,
       COALESCE(apogee.alpham, 'NaN') AS alpham_apogee,
       COALESCE(apogee.feh, 'NaN') AS feh_apogee,
       COALESCE(galah.teff, 'NaN') AS teff_galah,
       COALESCE(galah.logg, 'NaN') AS logg_galah,
       COALESCE(galah.alpham, 'NaN') AS alpham_galah,
       COALESCE(galah.feh, 'NaN') AS feh_galah,
       COALESCE(gspspec.teff, 'NaN') AS teff_gspspec,
       COALESCE(CAST(gspspec.logg AS real), 'NaN') AS logg_gspspec,
       COALESCE(CAST(gspspec.mh AS real), 'NaN') AS mh_gspspec,
       COALESCE(CAST(gspspec.alpham AS real), 'NaN') AS alpham_gspspec,
       COALESCE(ap.teff_gspphot, 'NaN') AS teff_gspphot,
       COALESCE(ap.logg_gspphot, 'NaN') AS logg_gspphot,
       COALESCE(ap.mh_gspphot, 'NaN') AS mh_gspphot,
       COALESCE(CAST(production.seismic_logg(seismic.numax, seismic.teff, :logg_sun, :numax_sun, :teff_sun) AS real),
                'NaN') AS logg_seismic,
       COALESCE(truth.teff, 'NaN') AS teff_truth,
       COALESCE(truth.logg, 'NaN') AS logg_truth,
       COALESCE(truth.mh, 'NaN') AS mh_truth,
       COALESCE(truth.alpham, 'NaN') AS alpham_truth,
       COALESCE(truth.feh, 'NaN') AS feh_truth
FROM production.labelled_star star
LEFT JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
LEFT JOIN production.apogee_reference apogee
  ON apogee.release = star.release AND apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
 AND apogee.aspcapflag & :aspcapflag_mask = 0
LEFT JOIN production.galah_reference galah
  ON galah.release = star.release AND galah.source_id = star.source_id AND galah.snr > :galah_snr_min
LEFT JOIN production.seismic_reference seismic ON seismic.release = star.release AND seismic.source_id = star.source_id
LEFT JOIN survey.true_star truth ON truth.release = star.release AND truth.source_id = star.source_id
LEFT JOIN production.gspspec_reference gspspec
  ON gspspec.release = star.release AND gspspec.source_id = star.source_id AND gspspec.good
LEFT JOIN survey.astrophysical_parameters ap ON ap.release = star.release AND ap.source_id = star.source_id
WHERE star.run_id = :run_id
  AND star.release = :'release'
