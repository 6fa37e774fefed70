-- Purpose: Positions and proper motions of all Gaia sources of a release, for a match by position.
-- Parameters: release (text) key of the survey rows.
-- Returns: source_id; ra, dec at the release's reference epoch, deg; pmra (times cos dec), pmdec, mas/yr, NaN where the
--          source has none.
SELECT source_id, ra, "dec", coalesce(pmra, 'NaN') AS pmra, coalesce(pmdec, 'NaN') AS pmdec
FROM survey.gaia_source
WHERE release = :'release';
