-- Purpose: How many spectra of a release were ingested, by what the files hold.
-- Parameters: release (text) key of the survey rows.
-- Returns: n spectra, or null.
SELECT sum(n_rows) AS n
FROM production.ingest_file
WHERE release = :'release' AND product = 'rvs_mean_spectrum' AND status = 'complete';
