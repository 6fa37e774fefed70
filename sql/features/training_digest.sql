-- Purpose: Fingerprint of everything that the network learns from: ids, inputs and labels of the training sample
-- Parameters: run_id (bigint) run that selected the samples; release (text) key of the survey rows
-- Returns: n stars; digest SHA-256 of their SHA-256s, hexadecimal
SELECT count(*) AS n,
       encode(sha256(coalesce(string_agg(sha256(
           int8send(s.source_id)
           || coalesce(r.flux, '') || coalesce(x.bp_coefficients, '') || coalesce(x.rp_coefficients, '')
           || coalesce(float4send(g.phot_g_mean_mag), '') || coalesce(float4send(g.phot_bp_mean_mag), '')
           || coalesce(float4send(g.phot_rp_mean_mag), '') || coalesce(float8send(g.parallax), '')
           || coalesce(float4send(a.teff), '') || coalesce(float4send(a.logg), '') || coalesce(float4send(a.m_h), '')
           || coalesce(float4send(a.alpha_m), '') || coalesce(float4send(a.fe_h), '')
       ), '' ORDER BY s.source_id), '')), 'hex') AS digest
FROM production.sample_star AS s
LEFT JOIN production.ingest_file AS f ON f.file_id = s.apogee_file_id AND f.release = :'release' AND f.status = 'complete'
LEFT JOIN survey.apogee_star AS a ON a.file_id = f.file_id AND a.row_number = s.apogee_row
LEFT JOIN survey.rvs_spectrum AS r ON r.release = :'release' AND r.source_id = s.source_id
LEFT JOIN survey.xp_coefficients AS x ON x.release = :'release' AND x.source_id = s.source_id
LEFT JOIN survey.gaia_source AS g ON g.release = :'release' AND g.source_id = s.source_id
WHERE s.run_id = :run_id AND s.role = 'training'
