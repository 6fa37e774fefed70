-- Purpose: Every star of the observed sample that has an APOGEE row, and the first cut of Sects. 2.4 and 2.5 that
--          keeps it out of the training sample. A condition states what is kept; IS NOT TRUE keeps out a missing
--          value too. Errors below zero and labels of -9999 are APOGEE's words for "no value".
-- Parameters: run_id (bigint) run whose production.sample_star holds the observed sample;
--             aspcapflag_mask (bigint) bits of ASPCAPFLAG that must be unset; aspcap_chi2_max (real);
--             teff_err_max (real) K; logg_err_max (real); metallicity_split (real) [M/H] or [Fe/H] below which
--             metal_poor_err_max (real) holds, else metal_rich_err_max (real); alpha_m_err_max (real);
--             training_snr_min (real) lowest S/N of the RVS spectrum, itself included;
--             training_parallax_over_error_min (real) inverse of the largest relative error;
--             training_ruwe_max (real).
-- Returns: source_id; training_cut name of the first cut that the star fails, null for training stars.
SELECT
    s.source_id,
    CASE
        -- Sect. 2.4
        WHEN ((a.aspcapflag & :aspcapflag_mask::bigint) = 0) IS NOT TRUE THEN 'aspcapflag'
        WHEN (a.aspcap_chi2 >= 0 AND a.aspcap_chi2 < :aspcap_chi2_max::real) IS NOT TRUE THEN 'aspcap_chi2'
        WHEN (a.fe_h_flag = 0) IS NOT TRUE THEN 'fe_h_flag'
        WHEN (a.teff_err >= 0 AND a.teff_err < :teff_err_max::real) IS NOT TRUE THEN 'teff_err'
        WHEN (a.logg_err >= 0 AND a.logg_err < :logg_err_max::real) IS NOT TRUE THEN 'logg_err'
        WHEN (a.m_h_err >= 0 AND a.m_h_err < CASE WHEN a.m_h < :metallicity_split::real
              THEN :metal_poor_err_max::real ELSE :metal_rich_err_max::real END) IS NOT TRUE THEN 'm_h_err'
        WHEN (a.fe_h_err >= 0 AND a.fe_h_err < CASE WHEN a.fe_h < :metallicity_split::real
              THEN :metal_poor_err_max::real ELSE :metal_rich_err_max::real END) IS NOT TRUE THEN 'fe_h_err'
        WHEN (a.alpha_m_err >= 0 AND a.alpha_m_err < :alpha_m_err_max::real) IS NOT TRUE THEN 'alpha_m_err'
        WHEN (a.teff > 0 AND a.teff < 'Infinity' AND abs(a.logg) < 100 AND abs(a.m_h) < 100
              AND abs(a.alpha_m) < 100 AND abs(a.fe_h) < 100) IS NOT TRUE THEN 'labels'
        -- Sect. 2.5
        WHEN (g.rvs_spec_sig_to_noise >= :training_snr_min::real
              AND g.rvs_spec_sig_to_noise < 'Infinity') IS NOT TRUE THEN 'rvs_spec_sig_to_noise'
        WHEN (g.parallax_over_error > :training_parallax_over_error_min::real
              AND g.parallax_over_error < 'Infinity') IS NOT TRUE THEN 'parallax_over_error'
        WHEN (g.ruwe < :training_ruwe_max::real) IS NOT TRUE THEN 'ruwe'
    END AS training_cut
FROM production.sample_star s
JOIN survey.apogee_star a ON a.file_id = s.apogee_file_id AND a.row_number = s.apogee_row
JOIN survey.gaia_source g ON g.release = s.release AND g.source_id = s.source_id
WHERE s.run_id = :run_id AND s.cut IS NULL;
