-- Purpose: Where the RVS spectra of a release come from: files as the archive gives them, and files that were resampled
--          from another pixel grid.
-- Parameters: release (text) key of the survey rows.
-- Returns: origin the grid and the files that they were resampled from in words, null for the archive's own; n_spectra.
SELECT
    substring(f.message FROM '^(resampled from [^;]*)') AS origin,
    sum(f.n_rows)::bigint AS n_spectra
FROM production.ingest_file f
WHERE f.release = :'release' AND f.status = 'complete' AND f.product = 'rvs_mean_spectrum'
GROUP BY 1
HAVING sum(f.n_rows) > 0
ORDER BY n_spectra DESC, origin;
