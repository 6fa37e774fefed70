-- Purpose: Stars with an RVS mean spectrum that have XP coefficients in the archive and none here.
-- Parameters: release (text) key of the survey rows.
-- Returns: source_id, in ascending order.
SELECT g.source_id
FROM survey.gaia_source g
LEFT JOIN survey.xp_coefficients x USING (release, source_id)
WHERE g.release = :'release' AND g.has_rvs AND g.has_xp_continuous AND x.source_id IS NULL
ORDER BY g.source_id;
