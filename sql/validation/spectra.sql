-- Purpose: RVS mean spectra of a few stars, for the example figure (Sect. 2.1, Figs. 2 and 18)
-- Parameters: release (text) key of the survey rows; source_ids (bigint[]) stars
-- Returns: source_id star; flux little-endian float32 array on the release's pixel grid, NaN where there is no value
SELECT source_id, flux
FROM survey.rvs_spectrum
WHERE release = :'release'
  AND source_id = ANY (:source_ids)
