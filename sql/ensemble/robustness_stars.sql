-- Purpose: Training stars of one class whose spectra the study of robustness degrades: those of highest S/N, with all
--          inputs of the network and with flux errors (paper Sect. 4.5 and Appendix C)
-- Parameters: run_id (bigint) run that selected the samples; release (text) key of the survey rows;
--             teff_min, teff_max (real) K, logg_min, logg_max, mh_min, mh_max, alpham_min, alpham_max, feh_min, feh_max
--             (real) dex: limits of the class in APOGEE labels, both included; n_stars (int) most stars to take;
--             flux_bytes (int), bp_bytes (int), rp_bytes (int) lengths of the arrays in the release
-- Returns: source_id; snr S/N of the RVS spectrum; flux, flux_error float32 arrays; bp_coefficients, rp_coefficients
--          float64 arrays; phot_g_mean_mag, phot_bp_mean_mag, phot_rp_mean_mag mag; parallax mas
SELECT chosen.source_id, chosen.snr, r.flux, e.flux_error, x.bp_coefficients, x.rp_coefficients,
       chosen.phot_g_mean_mag, chosen.phot_bp_mean_mag, chosen.phot_rp_mean_mag, chosen.parallax
FROM (
    SELECT s.source_id, g.rvs_spec_sig_to_noise AS snr,
           g.phot_g_mean_mag, g.phot_bp_mean_mag, g.phot_rp_mean_mag, g.parallax
    FROM production.sample_star AS s
    JOIN production.ingest_file AS f ON f.file_id = s.apogee_file_id AND f.release = :'release' AND f.status = 'complete'
    JOIN survey.apogee_star AS a ON a.file_id = f.file_id AND a.row_number = s.apogee_row
    JOIN survey.gaia_source AS g ON g.release = :'release' AND g.source_id = s.source_id
    WHERE s.run_id = :run_id
      AND s.role = 'training'
      AND a.teff BETWEEN :teff_min AND :teff_max
      AND a.logg BETWEEN :logg_min AND :logg_max
      AND a.m_h BETWEEN :mh_min AND :mh_max
      AND a.alpha_m BETWEEN :alpham_min AND :alpham_max
      AND a.fe_h BETWEEN :feh_min AND :feh_max
      AND g.rvs_spec_sig_to_noise > 0 AND g.rvs_spec_sig_to_noise < 'Infinity'
      AND g.phot_g_mean_mag IS NOT NULL AND g.phot_bp_mean_mag IS NOT NULL AND g.phot_rp_mean_mag IS NOT NULL
      AND g.parallax IS NOT NULL
      AND EXISTS (
          SELECT 1
          FROM survey.xp_coefficients AS x
          WHERE x.release = :'release' AND x.source_id = s.source_id
            AND octet_length(x.bp_coefficients) = :bp_bytes AND octet_length(x.rp_coefficients) = :rp_bytes
      )
      AND EXISTS (
          SELECT 1
          FROM survey.rvs_spectrum AS r
          JOIN survey.rvs_spectrum_error AS e ON e.release = r.release AND e.source_id = r.source_id
          WHERE r.release = :'release' AND r.source_id = s.source_id
            AND octet_length(r.flux) = :flux_bytes AND octet_length(e.flux_error) = :flux_bytes
      )
    ORDER BY g.rvs_spec_sig_to_noise DESC, s.source_id
    LIMIT :n_stars
) AS chosen
JOIN survey.rvs_spectrum AS r ON r.release = :'release' AND r.source_id = chosen.source_id
JOIN survey.rvs_spectrum_error AS e ON e.release = :'release' AND e.source_id = chosen.source_id
JOIN survey.xp_coefficients AS x ON x.release = :'release' AND x.source_id = chosen.source_id
ORDER BY chosen.source_id
