-- Purpose: The cuts of Sect. 2 in the order in which observed.sql and training.sql apply them, and their rules in words.
-- Parameters: those of observed.sql and training.sql but release and run_id, and aspcapflag_bits (text) as words.
-- Returns: sample observed or training; step; cut; rule what a star must fulfil.
SELECT sample, step, cut, rule
FROM (VALUES
    ('observed', 0, 'rvs_spectrum', 'has an RVS mean spectrum'),
    ('observed', 1, 'gaia_source', 'has a row in gaia_source'),
    ('observed', 2, 'in_galaxy_candidates', 'in_galaxy_candidates is false'),
    ('observed', 3, 'in_qso_candidates', 'in_qso_candidates is false'),
    ('observed', 4, 'phot_variable_flag', 'phot_variable_flag is not VARIABLE'),
    ('observed', 5, 'non_single_star', 'non_single_star = 0'),
    ('observed', 6, 'phot_g_mean_flux_over_error',
     format('phot_g_mean_flux_over_error > %s', :phot_mean_flux_over_error_min::real)),
    ('observed', 7, 'phot_bp_mean_flux_over_error',
     format('phot_bp_mean_flux_over_error > %s', :phot_mean_flux_over_error_min::real)),
    ('observed', 8, 'phot_rp_mean_flux_over_error',
     format('phot_rp_mean_flux_over_error > %s', :phot_mean_flux_over_error_min::real)),
    ('observed', 9, 'magnitudes', 'G, BP and RP mean magnitudes are present'),
    ('observed', 10, 'parallax', 'parallax is present and not negative'),
    ('observed', 11, 'has_xp_continuous', 'has_xp_continuous is true'),
    ('observed', 12, 'xp_coefficients',
     format('%s BP and %s RP coefficients were read', :bp_bytes::integer / 8, :rp_bytes::integer / 8)),
    ('observed', 13, 'xp_first_coefficient', 'the first BP and the first RP coefficient are positive'),
    ('observed', 14, 'classlabel_espels', 'classlabel_espels is null: no emission-line class'),
    ('training', 0, 'observed sample', 'passes all cuts of the observed sample'),
    ('training', 1, 'no APOGEE match', 'an APOGEE row carries its source_id'),
    ('training', 2, 'aspcapflag', format('ASPCAPFLAG bits %s are unset', :'aspcapflag_bits'::text)),
    ('training', 3, 'aspcap_chi2', format('ASPCAP_CHI2 < %s', :aspcap_chi2_max::real)),
    ('training', 4, 'fe_h_flag', 'FE_H_FLAG = 0'),
    ('training', 5, 'teff_err', format('TEFF_ERR < %s K', :teff_err_max::real)),
    ('training', 6, 'logg_err', format('LOGG_ERR < %s', :logg_err_max::real)),
    ('training', 7, 'm_h_err', format('M_H_ERR < %s if M_H < %s, else M_H_ERR < %s',
     :metal_poor_err_max::real, :metallicity_split::real, :metal_rich_err_max::real)),
    ('training', 8, 'fe_h_err', format('FE_H_ERR < %s if FE_H < %s, else FE_H_ERR < %s',
     :metal_poor_err_max::real, :metallicity_split::real, :metal_rich_err_max::real)),
    ('training', 9, 'alpha_m_err', format('ALPHA_M_ERR < %s', :alpha_m_err_max::real)),
    ('training', 10, 'labels', 'TEFF, LOGG, M_H, ALPHA_M and FE_H are present'),
    ('training', 11, 'rvs_spec_sig_to_noise', format('rvs_spec_sig_to_noise >= %s', :training_snr_min::real)),
    ('training', 12, 'parallax_over_error',
     format('parallax_over_error > %s: relative error below %s %%', :training_parallax_over_error_min::real,
            round(100.0 / :training_parallax_over_error_min::numeric, 1)::real)),
    ('training', 13, 'ruwe', format('ruwe < %s', :training_ruwe_max::real))
) AS c (sample, step, cut, rule)
ORDER BY sample, step;
