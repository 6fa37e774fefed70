-- Purpose: A star's own values of all that the cuts of sql/selection look at.
-- Parameters: run_id (bigint) run that selected; release (text) key of the survey rows; source_id (bigint) star.
-- Returns: cut name; value in words, null where the star has none.
SELECT cut.name AS cut, cut.value
FROM (SELECT CAST(:source_id AS bigint) AS source_id) star
LEFT JOIN survey.gaia_source g ON g.release = :'release' AND g.source_id = star.source_id
LEFT JOIN survey.xp_coefficients x ON x.release = :'release' AND x.source_id = star.source_id
LEFT JOIN survey.astrophysical_parameters p ON p.release = :'release' AND p.source_id = star.source_id
LEFT JOIN production.sample_star s ON s.run_id = :run_id AND s.source_id = star.source_id
LEFT JOIN survey.apogee_star a ON a.file_id = s.apogee_file_id AND a.row_number = s.apogee_row
CROSS JOIN LATERAL (VALUES
    ('gaia_source', CASE WHEN g.source_id IS NOT NULL THEN 'present' END),
    ('in_galaxy_candidates', CAST(g.in_galaxy_candidates AS text)),
    ('in_qso_candidates', CAST(g.in_qso_candidates AS text)),
    ('phot_variable_flag', g.phot_variable_flag),
    ('non_single_star', CAST(g.non_single_star AS text)),
    ('phot_g_mean_flux_over_error', CAST(g.phot_g_mean_flux_over_error AS text)),
    ('phot_bp_mean_flux_over_error', CAST(g.phot_bp_mean_flux_over_error AS text)),
    ('phot_rp_mean_flux_over_error', CAST(g.phot_rp_mean_flux_over_error AS text)),
    ('magnitudes', CASE WHEN g.source_id IS NOT NULL THEN
        format('G %s, BP %s, RP %s', coalesce(CAST(g.phot_g_mean_mag AS text), 'missing'),
               coalesce(CAST(g.phot_bp_mean_mag AS text), 'missing'),
               coalesce(CAST(g.phot_rp_mean_mag AS text), 'missing')) END),
    ('parallax', CAST(g.parallax AS text) || ' mas'),
    ('has_xp_continuous', CAST(g.has_xp_continuous AS text)),
    ('xp_coefficients', CASE WHEN x.source_id IS NOT NULL THEN
        format('%s BP and %s RP', coalesce(octet_length(x.bp_coefficients) / 8, 0),
               coalesce(octet_length(x.rp_coefficients) / 8, 0)) END),
    ('xp_first_coefficient', CASE WHEN octet_length(x.bp_coefficients) >= 8 AND octet_length(x.rp_coefficients) >= 8
        THEN format('BP %s, RP %s', CASE WHEN get_byte(x.bp_coefficients, 7) BETWEEN 1 AND 126
                    THEN 'positive' ELSE 'not positive' END,
                    CASE WHEN get_byte(x.rp_coefficients, 7) BETWEEN 1 AND 126
                    THEN 'positive' ELSE 'not positive' END) END),
    ('classlabel_espels', p.classlabel_espels),
    ('no APOGEE match', a.apogee_id),
    ('aspcapflag', CAST(a.aspcapflag AS text) || coalesce(
        (SELECT format(' (bits %s)', string_agg(CAST(bit AS text), ', ' ORDER BY bit))
         FROM generate_series(0, 62) AS bit WHERE (a.aspcapflag >> bit) & 1 = 1 HAVING count(*) > 0), '')),
    ('aspcap_chi2', CAST(a.aspcap_chi2 AS text)),
    ('fe_h_flag', CAST(a.fe_h_flag AS text)),
    ('teff_err', CAST(a.teff_err AS text) || ' K'),
    ('logg_err', CAST(a.logg_err AS text)),
    ('m_h_err', CAST(a.m_h_err AS text) || coalesce(' at M_H = ' || a.m_h, '')),
    ('fe_h_err', CAST(a.fe_h_err AS text) || coalesce(' at FE_H = ' || a.fe_h, '')),
    ('alpha_m_err', CAST(a.alpha_m_err AS text)),
    ('labels', CASE WHEN a.apogee_id IS NOT NULL THEN
        format('TEFF %s, LOGG %s, M_H %s, ALPHA_M %s, FE_H %s', coalesce(CAST(a.teff AS text), 'missing'),
               coalesce(CAST(a.logg AS text), 'missing'), coalesce(CAST(a.m_h AS text), 'missing'),
               coalesce(CAST(a.alpha_m AS text), 'missing'), coalesce(CAST(a.fe_h AS text), 'missing')) END),
    ('rvs_spec_sig_to_noise', CAST(g.rvs_spec_sig_to_noise AS text)),
    ('parallax_over_error', CAST(g.parallax_over_error AS text)),
    ('ruwe', CAST(g.ruwe AS text))
) AS cut (name, value);
