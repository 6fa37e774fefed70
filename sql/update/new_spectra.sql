-- Purpose: How many spectra have arrived that a run does not know
-- Parameters: base_run_id (bigint) run; release (text) key of the survey rows
-- Returns: n_new
SELECT count(*) AS n_new
FROM survey.rvs_spectrum AS spectrum
WHERE spectrum.release = :'release'
  AND NOT EXISTS (
      SELECT FROM production.sample_star AS star
      WHERE star.run_id = :base_run_id AND star.source_id = spectrum.source_id
  )
