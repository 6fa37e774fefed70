-- Purpose: S/N of the RVS spectra of a run's samples
-- Parameters: run_id (bigint) run; release (text) key of the survey rows
-- Returns: source_id; snr NaN where it is not known
SELECT star.source_id, COALESCE(gaia.rvs_spec_sig_to_noise, 'NaN') AS snr
FROM production.sample_star AS star
LEFT JOIN survey.gaia_source AS gaia ON gaia.release = :'release' AND gaia.source_id = star.source_id
WHERE star.run_id = :run_id AND star.role IN ('training', 'observed')
ORDER BY star.source_id
