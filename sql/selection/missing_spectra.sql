-- Purpose: Stars that have an RVS mean spectrum in the archive and none here.
-- Parameters: release (text) key of the survey rows.
-- Returns: source_id, in ascending order.
SELECT g.source_id
FROM survey.gaia_source g
LEFT JOIN survey.rvs_spectrum s USING (release, source_id)
WHERE g.release = :'release' AND g.has_rvs AND s.source_id IS NULL
ORDER BY g.source_id;
